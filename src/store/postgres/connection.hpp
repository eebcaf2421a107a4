#pragma once
// One libpq connection as a Sql: prepared statements, answers in binary, many() in pipeline mode. One thread at a time.
#include <libpq-fe.h>

#include <memory>
#include <string>
#include <unordered_map>

#include "store/sql.hpp"

namespace belay::store::postgres {

// Reasons of errors that the store (not its callers) acts on.
inline constexpr std::string_view kSerialization = "serialization-failure", kConnectionLost = "connection-lost";

struct CloseConnection {
  void operator()(PGconn* handle) const { PQfinish(handle); }
};
struct ClearAnswer {
  void operator()(PGresult* answer) const { PQclear(answer); }
};
using Answer = std::unique_ptr<PGresult, ClearAnswer>;

class Connection {
 public:
  static Result<std::unique_ptr<Connection>> open(const std::string& url, Duration connect_timeout,
                                                  Duration statement_timeout);

  // Statements of ours without parameters: BEGIN, SET, …
  Status run(const char* text);
  Result<Answer> exec(std::string_view text, const Params& params);
  // Each answer in turn, in order; all are sent before the first is waited for (in bounded portions).
  Status exec_each(std::string_view text, std::span<const Params> rows,
                   const std::function<Status(const Answer&)>& take);
  bool usable() const {
    return !lost_ && PQstatus(handle_.get()) == CONNECTION_OK && PQtransactionStatus(handle_.get()) == PQTRANS_IDLE;
  }
  bool in_transaction() const { return PQtransactionStatus(handle_.get()) != PQTRANS_IDLE; }
  std::string place() const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Connection() = default;
  Error error(std::string_view doing, const PGresult* answer) const;
  Result<Answer> checked(Answer answer, std::string_view text) const;
  Result<std::string> prepare(std::string_view text);
  Status send_portion(const std::string& name, std::string_view text, std::span<const Params> rows);
  Status take_portion(std::string_view text, std::size_t count, const std::function<Status(const Answer&)>& take);
  Status flush(std::string_view text);

  std::unique_ptr<PGconn, CloseConnection> handle_;
  mutable bool lost_ = false;                                                       // seen in an answer
  std::unordered_map<std::string, std::string, Hash, std::equal_to<>> statements_;  // text to name
  std::uint64_t names_ = 0;
};

class PostgresSql final : public Sql {
 public:
  PostgresSql(Connection& connection, const Seams& seams) : Sql(seams), connection_(connection) {}

 protected:
  Result<std::int64_t> do_exec(std::string_view text, const Params& params) override;
  Result<Rows> do_query(std::string_view text, const Params& params) override;
  Result<std::int64_t> do_exec_many(std::string_view text, std::span<const Params> rows) override;
  Result<std::vector<Rows>> do_query_many(std::string_view text, std::span<const Params> rows) override;

 private:
  Connection& connection_;
};

}  // namespace belay::store::postgres
