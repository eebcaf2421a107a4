#pragma once
// From an activation to an identity, and from a certificate to its successor. Blocking.
#include <functional>
#include <map>
#include <string>

#include "agent/runner/identity.hpp"
#include "core/fleet/facts.hpp"

namespace belay::agent {

struct EnrolmentRequest {
  std::string server;  // https://host:port
  std::string activation_id;
  std::string activation_code;  // a secret: never logged
  std::string ca_pem;           // one of the two
  std::string ca_sha256_hex;
  bool force = false;  // replaces an identity
  fleet::NodeFacts facts;
};

// The key is made here and kept before anything is sent, so an enrolment that was interrupted goes on with the same
// key. already_exists where the node has an identity and `force` is not set: that of the same server is returned to the
// caller's message, nothing is changed.
Result<Identity> enroll(io::Files& files, const StatePaths& paths, const EnrolmentRequest& request, Instant now);

// A new certificate for the node, for the same key or a fresh one; saved before it is returned.
// The agent's program of that SHA-256, as the server has it; not_found where it has another by now.
Result<std::string> fetch_program(const Identity& identity, const std::string& sha256);
// What an open backup order of this node needs. unavailable where the server is away; permission_denied where it is not
// this node's, or not open.
Result<std::map<std::string, std::string>> fetch_secrets(const Identity& identity, const std::string& order_id);
Result<Identity> renew(io::Files& files, const StatePaths& paths, const Identity& identity, bool fresh_key);

}  // namespace belay::agent
