#pragma once
// One sqlite3 connection as a Sql, with its prepared statements. Used by one thread at a time.
#include <sqlite3.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "store/sql.hpp"

namespace belay::store::sqlite {

struct CloseConnection {
  void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& path, bool writes);

  // Statements of ours without parameters: PRAGMA, BEGIN, COMMIT, …
  Status run(const char* text);
  Result<std::int64_t> exec(std::string_view text, const Params& params);
  Result<Rows> query(std::string_view text, const Params& params);
  bool in_transaction() const { return sqlite3_get_autocommit(handle_.get()) == 0; }

 private:
  struct Statement {
    std::unique_ptr<sqlite3_stmt, FinalizeStatement> handle;
    std::vector<int> places;  // of $1, $2, … in sqlite's own numbering
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Connection() = default;
  Error error(std::string_view doing) const;
  Result<Statement*> prepare(std::string_view text);
  Status bind(Statement& statement, const Params& params);

  std::unique_ptr<sqlite3, CloseConnection> handle_;
  std::unordered_map<std::string, Statement, Hash, std::equal_to<>> statements_;
};

class SqliteSql final : public Sql {
 public:
  SqliteSql(Connection& connection, const Seams& seams) : Sql(seams), connection_(connection) {}

 protected:
  Result<std::int64_t> do_exec(std::string_view text, const Params& params) override {
    return connection_.exec(text, params);
  }
  Result<Rows> do_query(std::string_view text, const Params& params) override {
    return connection_.query(text, params);
  }
  Result<std::int64_t> do_exec_many(std::string_view text, std::span<const Params> rows) override;
  Result<std::vector<Rows>> do_query_many(std::string_view text, std::span<const Params> rows) override;

 private:
  Connection& connection_;
};

}  // namespace belay::store::sqlite
