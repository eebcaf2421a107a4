#pragma once
// Who belongs to the fleet: enrolment, renewal, deregistration. Blocking.
#include <functional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "io/pki.hpp"
#include "store/activations.hpp"
#include "store/nodes.hpp"
#include "store/store.hpp"
#include "wire/messages.hpp"

namespace belay::server {

// The server's own identity, read once at start. Keys never leave the process.
struct Authority {
  io::KeyAndCertificate ca;
  std::string order_private_key;  // Ed25519, raw
  std::string order_public_key;
};

struct NewActivation {
  store::activations::Activation activation;
  std::string code;  // shown this once
};

class NodeRegistry {
 public:
  NodeRegistry(store::Store& store, const Clock& clock, const Authority& authority)
      : store_(store), clock_(clock), authority_(authority) {}

  // Fills in id, code and times; expires_at must lie ahead, at most 30 days; limit 1 … 1,000.
  Result<NewActivation> create_activation(store::activations::Activation wanted);

  // unauthenticated where id and code do not fit (not told apart), or the activation is expired or used up.
  Result<wire::EnrollReply> enroll(const wire::EnrollRequest& request, std::string_view peer_address);
  // A new certificate for the node that proved who it is; the old one stays good until it expires, at most a day.
  Result<wire::RenewReply> renew(std::string_view node_id, const wire::RenewRequest& request);

  // Revokes its certificates, cancels its orders and closes its session at once. not_found where unknown; may be
  // repeated.
  Status deregister(std::string_view node_id, std::string_view requested_by);
  // An operator has looked into a suspected clone and settled it: the mark goes, and the node gets its orders again.
  // Returns since when it was suspected; nullopt, and nothing is done, where it was not. not_found where unknown.
  // Whoever has the identity's key stays: the other machine must have been stopped or enrolled anew, or it is seen
  // again.
  Result<std::optional<Instant>> settle_clone(std::string_view node_id, std::string_view requested_by);

  // Set by the gateway: called after a node's certificates were revoked, from any thread.
  std::function<void(std::string_view node_id)> on_revoked;

 private:
  store::Store& store_;
  const Clock& clock_;
  const Authority& authority_;
};

}  // namespace belay::server
