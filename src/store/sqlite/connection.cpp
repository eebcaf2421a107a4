#include "store/sqlite/connection.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace belay::store::sqlite {
namespace {

constexpr std::size_t kStatementsMax = 256;
constexpr int kBusyTimeoutMs = 10'000;

Code code_of(int result) {
  switch (result) {
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE: return Code::already_exists;
    case SQLITE_CONSTRAINT_FOREIGNKEY: return Code::not_found;
    default: break;
  }
  switch (result & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH: return Code::invalid_argument;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::unavailable;
    case SQLITE_FULL:
    case SQLITE_NOMEM: return Code::resource_exhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::corrupt;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH: return Code::permission_denied;
    case SQLITE_CANTOPEN: return Code::unavailable;
    default: return Code::internal;
  }
}

int bind_one(sqlite3_stmt* statement, int place, const SqlValue& value) {
  const auto& content = value.content();
  if (const auto* number = std::get_if<std::int64_t>(&content)) return sqlite3_bind_int64(statement, place, *number);
  if (const auto* real = std::get_if<double>(&content)) return sqlite3_bind_double(statement, place, *real);
  if (const auto* text = std::get_if<std::string>(&content))
    return sqlite3_bind_text64(statement, place, text->data(), text->size(), SQLITE_STATIC, SQLITE_UTF8);
  if (const auto* blob = std::get_if<Blob>(&content))
    return sqlite3_bind_blob64(statement, place, blob->bytes.empty() ? "" : blob->bytes.data(), blob->bytes.size(),
                               SQLITE_STATIC);
  return sqlite3_bind_null(statement, place);
}

SqlValue column(sqlite3_stmt* statement, int index) {
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER: return sqlite3_column_int64(statement, index);
    case SQLITE_FLOAT: return sqlite3_column_double(statement, index);
    case SQLITE_NULL: return {};
    case SQLITE_TEXT: {
      const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
      return std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement, index)));
    }
    default: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, index));
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
      return Blob{size ? std::string(bytes, size) : std::string()};
    }
  }
}

// Gives a statement back in any case: what it holds of the parameters must not outlive the call.
class Use {
 public:
  explicit Use(sqlite3_stmt* statement) : statement_(statement) {}
  ~Use() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  sqlite3_stmt* statement_;
};

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, bool writes) {
  std::unique_ptr<Connection> connection(new Connection);
  // Made here, so that it (and its -wal and -shm, which copy its mode) is the server's alone. One that is there is not
  // opened besides SQLite: to close it would drop the locks of every connection of this process (fcntl(2)), and then
  // the next program that looks into the store takes itself for the last one and removes the log under the server.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0 && errno != EEXIST) return Error(Code::unavailable, "cannot open " + path + ": " + std::strerror(errno));
  if (file >= 0) ::close(file);
  sqlite3* raw = nullptr;
  const int result = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection->handle_.reset(raw);
  if (result != SQLITE_OK) return connection->error("open " + path);
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, static_cast<int>(kTextBytesMax) + (1 << 20));
  // WAL and FULL: a commit is on disk before it is acknowledged, and readers do not wait for it.
  BELAY_TRY(connection->run("PRAGMA journal_mode = WAL"));
  BELAY_TRY(connection->run("PRAGMA synchronous = FULL"));
  BELAY_TRY(connection->run("PRAGMA foreign_keys = ON"));
  BELAY_TRY(connection->run("PRAGMA trusted_schema = OFF"));
  BELAY_TRY(connection->run("PRAGMA temp_store = MEMORY"));
  BELAY_TRY(connection->run("PRAGMA cache_size = -16384"));
  BELAY_TRY(connection->run("PRAGMA journal_size_limit = 67108864"));
  if (!writes) BELAY_TRY(connection->run("PRAGMA query_only = ON"));
  return connection;
}

Error Connection::error(std::string_view doing) const {
  const int result = handle_ ? sqlite3_extended_errcode(handle_.get()) : SQLITE_NOMEM;
  const std::string said = handle_ ? sqlite3_errmsg(handle_.get()) : "no memory";
  const Code code = code_of(result);
  std::string reason;
  if (code == Code::not_found) reason = "reference-missing";
  if (code == Code::unavailable && (result & 0xff) == SQLITE_BUSY) reason = "store-busy";
  return Error(code, "SQLite cannot " + std::string(doing) + ": " + said, std::move(reason));
}

Status Connection::run(const char* text) {
  if (sqlite3_exec(handle_.get(), text, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return error(std::string("do ") + text);
}

Result<Connection::Statement*> Connection::prepare(std::string_view text) {
  if (const auto found = statements_.find(text); found != statements_.end()) return &found->second;
  if (statements_.size() >= kStatementsMax) statements_.clear();
  sqlite3_stmt* raw = nullptr;
  const int result = sqlite3_prepare_v3(handle_.get(), text.data(), static_cast<int>(text.size()),
                                        SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  Statement statement;
  statement.handle.reset(raw);
  if (result != SQLITE_OK) return error("understand " + std::string(text));
  // sqlite numbers named parameters by their first occurrence, so each is looked up by its name.
  for (int i = 1; i <= sqlite3_bind_parameter_count(raw); ++i) {
    const int place = sqlite3_bind_parameter_index(raw, ("$" + std::to_string(i)).c_str());
    BELAY_ASSERT(place != 0);
    statement.places.push_back(place);
  }
  return &statements_.emplace(std::string(text), std::move(statement)).first->second;
}

Status Connection::bind(Statement& statement, const Params& params) {
  BELAY_ASSERT(params.size() == statement.places.size());
  for (std::size_t i = 0; i < params.size(); ++i)
    if (bind_one(statement.handle.get(), statement.places[i], params[i]) != SQLITE_OK) return error("take a value");
  return {};
}

Result<std::int64_t> Connection::exec(std::string_view text, const Params& params) {
  BELAY_TRY_ASSIGN(auto* statement, prepare(text));
  const Use use(statement->handle.get());
  BELAY_TRY(bind(*statement, params));
  int result = SQLITE_ROW;
  while (result == SQLITE_ROW) result = sqlite3_step(statement->handle.get());
  if (result != SQLITE_DONE) return error("do " + std::string(text));
  return sqlite3_changes64(handle_.get());
}

Result<Rows> Connection::query(std::string_view text, const Params& params) {
  BELAY_TRY_ASSIGN(auto* statement, prepare(text));
  const Use use(statement->handle.get());
  BELAY_TRY(bind(*statement, params));
  Rows rows;
  int result = sqlite3_step(statement->handle.get());
  for (; result == SQLITE_ROW; result = sqlite3_step(statement->handle.get())) {
    if (rows.size() >= kRowsMax) return Error(Code::resource_exhausted, "an answer of the store has too many rows");
    const int count = sqlite3_column_count(statement->handle.get());
    std::vector<SqlValue> values;
    values.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) values.push_back(column(statement->handle.get(), i));
    rows.emplace_back(std::move(values));
  }
  if (result != SQLITE_DONE) return error("do " + std::string(text));
  return rows;
}

Result<std::int64_t> SqliteSql::do_exec_many(std::string_view text, std::span<const Params> rows) {
  std::int64_t touched = 0;
  for (const auto& params : rows) {
    BELAY_TRY_ASSIGN(const auto count, connection_.exec(text, params));
    touched += count;
  }
  return touched;
}

Result<std::vector<Rows>> SqliteSql::do_query_many(std::string_view text, std::span<const Params> rows) {
  std::vector<Rows> answers;
  answers.reserve(rows.size());
  for (const auto& params : rows) {
    BELAY_TRY_ASSIGN(auto answer, connection_.query(text, params));
    answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace belay::store::sqlite
