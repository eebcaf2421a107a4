#include "store/postgres/connection.hpp"

#include <poll.h>

#include <array>
#include <bit>
#include <charconv>
#include <cstring>

#include "base/text.hpp"

namespace belay::store::postgres {
namespace {

constexpr std::size_t kStatementsMax = 256;
constexpr std::size_t kPortion = 256;  // statements on their way at once

struct StateMeaning {
  std::string_view prefix;  // of the SQLSTATE
  Code code;
  std::string_view reason;
};
// The first row that fits. https://www.postgresql.org/docs/current/errcodes-appendix.html
constexpr std::array kStates{
    StateMeaning{"40", Code::unavailable, kSerialization},
    StateMeaning{"23505", Code::already_exists, ""},
    StateMeaning{"23503", Code::not_found, "reference-missing"},
    StateMeaning{"23", Code::invalid_argument, ""},
    StateMeaning{"22", Code::invalid_argument, ""},
    StateMeaning{"25006", Code::permission_denied, ""},
    StateMeaning{"28", Code::unauthenticated, ""},
    StateMeaning{"42501", Code::permission_denied, ""},
    StateMeaning{"53", Code::resource_exhausted, ""},
    StateMeaning{"54", Code::invalid_argument, ""},
    StateMeaning{"57014", Code::timed_out, ""},
    StateMeaning{"57", Code::unavailable, kConnectionLost},
    StateMeaning{"25P03", Code::unavailable, kConnectionLost},
    StateMeaning{"08", Code::unavailable, kConnectionLost},
    StateMeaning{"XX001", Code::corrupt, ""},
    StateMeaning{"XX002", Code::corrupt, ""},
};

// Parameters as libpq wants them. Numbers and text travel as text, so that the server gives them the column's type.
class Bound {
 public:
  explicit Bound(const Params& params) {
    kept_.reserve(params.size());
    for (const auto& param : params) add(param.content());
  }
  int count() const { return static_cast<int>(values_.size()); }
  const char* const* values() const { return values_.data(); }
  const int* lengths() const { return lengths_.data(); }
  const int* formats() const { return formats_.data(); }

 private:
  void add(const SqlValue::Content& content) {
    if (const auto* text = std::get_if<std::string>(&content)) return push(text->c_str(), text->size(), 0);
    if (const auto* blob = std::get_if<Blob>(&content)) return push(blob->bytes.c_str(), blob->bytes.size(), 1);
    if (std::holds_alternative<std::monostate>(content)) return push(nullptr, 0, 0);
    std::array<char, 32> digits{};
    const auto end = std::holds_alternative<std::int64_t>(content)
                         ? std::to_chars(digits.begin(), digits.end(), std::get<std::int64_t>(content)).ptr
                         : std::to_chars(digits.begin(), digits.end(), std::get<double>(content)).ptr;
    kept_.emplace_back(digits.begin(), end);
    push(kept_.back().c_str(), kept_.back().size(), 0);
  }
  void push(const char* value, std::size_t size, int format) {
    values_.push_back(value);
    lengths_.push_back(static_cast<int>(size));
    formats_.push_back(format);
  }
  std::vector<std::string> kept_;
  std::vector<const char*> values_;
  std::vector<int> lengths_, formats_;
};

template <typename Number>
Number big_endian(const char* bytes) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i)
    number = static_cast<Number>((number << 8) | static_cast<unsigned char>(bytes[i]));
  return number;
}

// By the type's number in pg_type, from its binary form.
Result<SqlValue> value(const PGresult* answer, int row, int column) {
  if (PQgetisnull(answer, row, column)) return SqlValue();
  const char* bytes = PQgetvalue(answer, row, column);
  const auto size = static_cast<std::size_t>(PQgetlength(answer, row, column));
  switch (PQftype(answer, column)) {
    case 16: return SqlValue(static_cast<std::int64_t>(*bytes));                            // bool
    case 20: return SqlValue(static_cast<std::int64_t>(big_endian<std::uint64_t>(bytes)));  // int8
    case 23:
      return SqlValue(static_cast<std::int64_t>(static_cast<std::int32_t>(big_endian<std::uint32_t>(bytes))));  // int4
    case 701: return SqlValue(std::bit_cast<double>(big_endian<std::uint64_t>(bytes)));  // float8
    case 17: return SqlValue(Blob{std::string(bytes, size)});                            // bytea
    case 25:
    case 1043: return SqlValue(std::string(bytes, size));  // text, varchar
    default:
      return Error(Code::internal, "PostgreSQL answered with type " + std::to_string(PQftype(answer, column)) +
                                       " in column " + PQfname(answer, column) + ", which the store does not read");
  }
}

Result<Rows> rows_of(const Answer& answer) {
  const int count = PQntuples(answer.get());
  if (static_cast<std::size_t>(count) > kRowsMax)
    return Error(Code::resource_exhausted, "an answer of the store has too many rows");
  Rows rows;
  rows.reserve(static_cast<std::size_t>(count));
  for (int row = 0; row < count; ++row) {
    std::vector<SqlValue> values;
    values.reserve(static_cast<std::size_t>(PQnfields(answer.get())));
    for (int column = 0; column < PQnfields(answer.get()); ++column) {
      BELAY_TRY_ASSIGN(auto cell, value(answer.get(), row, column));
      values.push_back(std::move(cell));
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

std::int64_t touched(const Answer& answer) {
  const std::string_view text = PQcmdTuples(answer.get());
  std::int64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::string& url, Duration connect_timeout,
                                                     Duration statement_timeout) {
  std::unique_ptr<Connection> connection(new Connection);
  const std::string seconds = std::to_string(std::max<std::int64_t>(2, connect_timeout.count() / 1000));
  // Ours come first: what the url says itself stands.
  const std::array<const char*, 7> names{"connect_timeout",
                                         "application_name",
                                         "keepalives_idle",
                                         "tcp_user_timeout",
                                         "client_encoding",
                                         "dbname",
                                         nullptr};
  const std::array<const char*, 7> values{seconds.c_str(), "belayd", "30", "60000", "UTF8", url.c_str(), nullptr};
  connection->handle_.reset(PQconnectdbParams(names.data(), values.data(), 1));
  if (PQstatus(connection->handle_.get()) != CONNECTION_OK) return connection->error("be reached", nullptr);
  PQsetNoticeProcessor(connection->handle_.get(), [](void*, const char*) {}, nullptr);
  BELAY_TRY(connection->run(("SET statement_timeout = " + std::to_string(statement_timeout.count())).c_str()));
  BELAY_TRY(connection->run("SET idle_in_transaction_session_timeout = 60000"));
  // Acknowledged means on disk, whatever the cluster's default is.
  BELAY_TRY(connection->run(
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"));
  return connection;
}

std::string Connection::place() const {
  const char* host = PQhost(handle_.get());
  const char* database = PQdb(handle_.get());
  return std::string(host ? host : "") + "/" + (database ? database : "");
}

Error Connection::error(std::string_view doing, const PGresult* answer) const {
  const char* state = answer ? PQresultErrorField(answer, PG_DIAG_SQLSTATE) : nullptr;
  const char* said = answer ? PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY) : nullptr;
  const std::string message = "PostgreSQL cannot " + std::string(doing) + ": " +
                              sanitize(trim(said ? said : PQerrorMessage(handle_.get())), 1'000);
  // A fatal answer without an SQLSTATE is libpq's own: it could not write or read. Its status may say OK for a while
  // yet.
  const bool lost = answer && !state && PQresultStatus(answer) == PGRES_FATAL_ERROR;
  if (lost) lost_ = true;
  if (lost || PQstatus(handle_.get()) != CONNECTION_OK)
    return Error(Code::unavailable, message, std::string(kConnectionLost));
  for (const auto& row : kStates)
    if (state && std::string_view(state).starts_with(row.prefix))
      return Error(row.code, message, std::string(row.reason));
  return Error(Code::internal, message);
}

Status Connection::run(const char* text) {
  const Answer answer(PQexec(handle_.get(), text));
  const auto status = PQresultStatus(answer.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return {};
  return error(std::string("do ") + text, answer.get());
}

Result<Answer> Connection::checked(Answer answer, std::string_view text) const {
  const auto status = PQresultStatus(answer.get());
  if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return answer;
  return error("do " + std::string(text), answer.get());
}

Result<std::string> Connection::prepare(std::string_view text) {
  if (const auto found = statements_.find(text); found != statements_.end()) return found->second;
  if (statements_.size() >= kStatementsMax) {
    BELAY_TRY(run("DEALLOCATE ALL"));
    statements_.clear();
  }
  std::string name = "s" + std::to_string(++names_);
  const Answer answer(PQprepare(handle_.get(), name.c_str(), std::string(text).c_str(), 0, nullptr));
  if (PQresultStatus(answer.get()) != PGRES_COMMAND_OK) return error("understand " + std::string(text), answer.get());
  statements_.emplace(std::string(text), name);
  return name;
}

Result<Answer> Connection::exec(std::string_view text, const Params& params) {
  BELAY_TRY_ASSIGN(const auto name, prepare(text));
  const Bound bound(params);
  return checked(Answer(PQexecPrepared(handle_.get(), name.c_str(), bound.count(), bound.values(), bound.lengths(),
                                       bound.formats(), 1)),
                 text);
}

Status Connection::exec_each(std::string_view text, std::span<const Params> rows,
                             const std::function<Status(const Answer&)>& take) {
  BELAY_TRY_ASSIGN(const auto name, prepare(text));
  // Non-blocking, because a server that waits for us to read and we for it to read would wait for ever.
  if (PQenterPipelineMode(handle_.get()) != 1 || PQsetnonblocking(handle_.get(), 1) != 0)
    return error("enter pipeline mode", nullptr);
  Status status;
  for (std::size_t first = 0; first < rows.size() && status.ok(); first += kPortion) {
    const auto portion = rows.subspan(first, std::min(kPortion, rows.size() - first));
    status = send_portion(name, text, portion);
    if (status.ok()) status = take_portion(text, portion.size(), take);
  }
  PQsetnonblocking(handle_.get(), 0);
  if (PQexitPipelineMode(handle_.get()) != 1 && status.ok()) return error("leave pipeline mode", nullptr);
  return status;
}

Status Connection::send_portion(const std::string& name, std::string_view text, std::span<const Params> rows) {
  for (const auto& params : rows) {
    const Bound bound(params);
    if (PQsendQueryPrepared(handle_.get(), name.c_str(), bound.count(), bound.values(), bound.lengths(),
                            bound.formats(), 1) != 1)
      return error("do " + std::string(text), nullptr);
  }
  if (PQpipelineSync(handle_.get()) != 1) return error("do " + std::string(text), nullptr);
  return flush(text);
}

Status Connection::flush(std::string_view text) {
  constexpr int kWaitMsMax = 60'000;
  for (;;) {
    const int left = PQflush(handle_.get());
    if (left == 0) return {};
    pollfd wait{PQsocket(handle_.get()), POLLIN | POLLOUT, 0};
    if (left < 0 || poll(&wait, 1, kWaitMsMax) <= 0) return error("take " + std::string(text), nullptr);
    if ((wait.revents & POLLIN) != 0 && PQconsumeInput(handle_.get()) != 1)
      return error("take " + std::string(text), nullptr);
  }
}

// Reads to the end in any case, so that the connection stays usable; the first error stands.
Status Connection::take_portion(std::string_view text, std::size_t count,
                                const std::function<Status(const Answer&)>& take) {
  Status status;
  for (std::size_t i = 0; i < count; ++i) {
    Answer answer(PQgetResult(handle_.get()));
    if (!answer) return error("answer " + std::string(text), nullptr);
    while (const Answer rest{PQgetResult(handle_.get())}) continue;
    if (!status.ok()) continue;
    auto good = checked(std::move(answer), text);
    status = good.ok() ? take(*good) : Status(good.error());
  }
  const Answer sync(PQgetResult(handle_.get()));
  if (PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC && status.ok())
    return error("answer " + std::string(text), nullptr);
  return status;
}

Result<std::int64_t> PostgresSql::do_exec(std::string_view text, const Params& params) {
  BELAY_TRY_ASSIGN(const auto answer, connection_.exec(text, params));
  return touched(answer);
}

Result<Rows> PostgresSql::do_query(std::string_view text, const Params& params) {
  BELAY_TRY_ASSIGN(const auto answer, connection_.exec(text, params));
  return rows_of(answer);
}

Result<std::int64_t> PostgresSql::do_exec_many(std::string_view text, std::span<const Params> rows) {
  std::int64_t count = 0;
  BELAY_TRY(connection_.exec_each(text, rows, [&](const Answer& answer) -> Status {
    count += touched(answer);
    return {};
  }));
  return count;
}

Result<std::vector<Rows>> PostgresSql::do_query_many(std::string_view text, std::span<const Params> rows) {
  std::vector<Rows> answers;
  answers.reserve(rows.size());
  BELAY_TRY(connection_.exec_each(text, rows, [&](const Answer& answer) -> Status {
    BELAY_TRY_ASSIGN(auto found, rows_of(answer));
    answers.push_back(std::move(found));
    return {};
  }));
  return answers;
}

}  // namespace belay::store::postgres
