#pragma once
// The orders a node has accepted, on disk until their results are on the way to the server.
#include <boost/describe.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/runner/state_paths.hpp"
#include "base/result.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

inline constexpr std::size_t kOpenOrdersMax = 100;
inline constexpr std::size_t kArchivedResultsMax = 100;

struct AcceptedOrder {
  wire::Order order;
  Instant accepted_at{};
  bool local = false;    // the node's own, not the server's: its report has no order id and no result is sent
  std::string undoes{};  // of such a one: the run that it undoes; it is told as an own_run
};
BOOST_DESCRIBE_STRUCT(AcceptedOrder, (), (order, accepted_at, local, undoes))

class OrderBook {
 public:
  OrderBook(io::Files& files, StatePaths paths) : files_(files), paths_(std::move(paths)) {}

  // Open or archived.
  bool knows(const std::string& id) const;
  // Durable when it returns. resource_exhausted where too many are open; an order that is known is left as it is.
  Status add(const AcceptedOrder& accepted);
  // Open ones in the order they are to be begun. One whose file cannot be read is left out, and logged.
  std::vector<AcceptedOrder> open() const;
  Result<AcceptedOrder> load(const std::string& id) const;
  // Leaves word for the process that works on it. An order that is not open is fine.
  Status ask_to_cancel(const std::string& id);
  bool is_cancelled(const std::string& id) const;

  // Written once, by the process that worked on the order: the report of a scan first, the result last.
  Status write_report(const std::string& id, const wire::ScanReport& report);
  Status write_result(const std::string& id, const wire::OrderResult& result);
  Result<std::optional<wire::ScanReport>> report(const std::string& id) const;
  Result<std::optional<wire::OrderResult>> result(const std::string& id) const;
  bool has_result(const std::string& id) const;

  // After its messages are in the outbox: keeps the result for people, forgets the rest.
  Status archive(const std::string& id);

 private:
  io::Files& files_;
  StatePaths paths_;
};

}  // namespace belay::agent
