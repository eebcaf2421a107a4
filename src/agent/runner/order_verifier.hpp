#pragma once
// Whether an order is really the server's, for this node, now, and for the first time.
#include <boost/describe.hpp>
#include <string>

#include "agent/runner/state_paths.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "io/files.hpp"
#include "wire/messages.hpp"

namespace belay::agent {

class OrderVerifier {
 public:
  // `public_key` is 32 raw bytes, from enrolment; a key that the server tells later is not believed.
  OrderVerifier(io::Files& files, StatePaths paths, std::string node_id, std::string public_key);

  // The order, if its signature is right and it is for this node. Reasons: "signature-bad", "wrong-node".
  Result<wire::Order> open(const wire::SignedOrder& sent) const;
  // Whether it may be begun. Reasons: "order-replayed" (its counter is not above the last accepted),
  // "order-expired", "clock-wrong" (it was issued well after what this node takes for now), "order-malformed",
  // "approval-bad" (approvals that it carries are not signed, not of its changes, or not of several people).
  Status check(const wire::Order& order, Instant now) const;
  // Durable when it returns. Never goes back.
  Status remember(std::uint64_t counter);
  Result<std::uint64_t> last_counter() const;
  const std::string& node_id() const { return node_id_; }

 private:
  Status check_approvals(const patchrun::PatchRunOrder& patch) const;

  io::Files& files_;
  StatePaths paths_;
  std::string node_id_;
  std::string public_key_;
};

}  // namespace belay::agent
