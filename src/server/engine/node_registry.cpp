#include "server/engine/node_registry.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/fleet/operating_system.hpp"
#include "io/crypto.hpp"
#include "server/engine/associations.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/facts_check.hpp"
#include "server/engine/order_desk.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr Duration kHour{3'600'000};
constexpr Duration kCertificateLifetime = 24 * kHour * 60;  // renewed at half of it, by the node
constexpr Duration kActivationLongest = 24 * kHour * 30;
constexpr Duration kActivationDefault = 24 * kHour;
constexpr Duration kOldCertificateLives = 24 * kHour;
constexpr Duration kSkew{300'000};  // a node's clock may lag a little
constexpr std::uint32_t kRegistrationsMax = 1'000;
constexpr std::size_t kActivationTextMax = 128;

Result<std::string> sign(const Authority& authority, const std::string& csr_pem, const std::string& node_id,
                         Instant now) {
  io::LeafSpec spec;
  spec.common_name = node_id;
  spec.not_before = now - kSkew;
  spec.lifetime = kCertificateLifetime;
  return io::sign_csr(authority.ca, csr_pem, spec).within("cannot sign the node's certificate request");
}

Status keep_certificate(Sql& sql, const std::string& node_id, const std::string& certificate_pem, Instant now) {
  BELAY_TRY_ASSIGN(const auto info, io::read_certificate(certificate_pem));
  store::nodes::Certificate certificate;
  certificate.serial_hex = info.serial_hex;
  certificate.node_id = node_id;
  certificate.issued_at = now;
  certificate.expires_at = info.not_after;
  return store::nodes::add_certificate(sql, certificate);
}

std::string operating_system_text(const fleet::NodeFacts& facts) {
  const auto system = fleet::operating_system_of(facts.os_id, facts.os_version);
  return system ? std::string(fleet::to_text(*system)) : "";
}

bool is_word(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Result<NewActivation> NodeRegistry::create_activation(store::activations::Activation wanted) {
  const Instant now = clock_.now();
  if (wanted.registration_limit < 1 || wanted.registration_limit > kRegistrationsMax)
    return Error(Code::invalid_argument, "RegistrationLimit must be 1 to 1000");
  if (wanted.expires_at == Instant{}) wanted.expires_at = now + kActivationDefault;
  if (wanted.expires_at <= now || wanted.expires_at > now + kActivationLongest)
    return Error(Code::invalid_argument, "ExpirationDate must lie ahead, at most 30 days");
  wanted.activation_id = make_uuid(io::random_bytes(kIdRandomBytes));
  wanted.created_at = now;
  wanted.registrations_count = 0;
  const std::string code = to_hex(io::random_bytes(16));
  const std::string salt = io::random_bytes(16);
  BELAY_TRY(store_.write([&](Sql& sql) -> Status {
    BELAY_TRY(store::activations::create(sql, wanted, code, salt));
    return note_in_audit(sql, now, wanted.created_by, "ssm:CreateActivation", wanted.activation_id,
                         {{"limit", wanted.registration_limit}, {"expires_at", json::encode(wanted.expires_at)}});
  }));
  return NewActivation{wanted, code};
}

Result<wire::EnrollReply> NodeRegistry::enroll(const wire::EnrollRequest& request, std::string_view peer_address) {
  BELAY_TRY(check_facts(request.facts));
  // What is asked of the store is text that it can hold; and a code is never repeated, not even a wrong one.
  for (const auto& [text, name] :
       {std::pair{&request.activation_id, "activation_id"}, {&request.activation_code, "activation_code"}})
    if (text->size() > kActivationTextMax || !is_word(*text))
      return Error(Code::invalid_argument,
                   std::string(name) + " is none: give it as `belay activation create` printed it");
  const Instant now = clock_.now();
  const std::string node_id = make_id("mi", io::random_bytes(kIdRandomBytes));
  std::string certificate_pem;
  BELAY_TRY(store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto activation,
                     store::activations::consume(sql, request.activation_id, request.activation_code, now));
    // Only for who may come in: a signature is work that a stranger could ask for without end.
    BELAY_TRY_ASSIGN(certificate_pem, sign(authority_, request.csr_pem, node_id, now));
    store::nodes::Node node;
    node.node_id = node_id;
    node.facts = cleaned(request.facts);
    node.name = activation.default_instance_name.empty() ? node.facts.computer_name : activation.default_instance_name;
    node.operating_system = operating_system_text(node.facts);
    node.agent_version = sanitize(request.agent_version, 64);
    node.activation_id = activation.activation_id;
    node.iam_role = activation.iam_role;
    node.address = peer_address;
    node.registered_at = now;
    BELAY_TRY(store::nodes::create(sql, node));
    if (!activation.tags.empty())
      BELAY_TRY(store::tags::set(sql, store::tags::kManagedInstance, node_id, activation.tags));
    BELAY_TRY(keep_certificate(sql, node_id, certificate_pem, now));
    BELAY_TRY(node_changed(sql, node_id, now));
    return note_in_audit(sql, now, node_id, "node:enroll", node_id,
                         {{"activation", activation.activation_id}, {"name", node.name}, {"address", peer_address}});
  }));
  return wire::EnrollReply{node_id, certificate_pem, authority_.ca.certificate_pem,
                           to_base64(authority_.order_public_key)};
}

Result<wire::RenewReply> NodeRegistry::renew(std::string_view node_id, const wire::RenewRequest& request) {
  const Instant now = clock_.now();
  const std::string id(node_id);
  BELAY_TRY_ASSIGN(const auto certificate_pem, sign(authority_, request.csr_pem, id, now));
  BELAY_TRY(store_.write([&](Sql& sql) -> Status {
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, id));
    if (node.state != store::nodes::NodeState::active)
      return Error(Code::permission_denied, "the node is not registered any more", "node-deregistered");
    // Older ones stay good for a while, in case this answer is lost; those past it go.
    BELAY_TRY_ASSIGN(const auto held, store::nodes::certificates(sql, id));
    for (const auto& certificate : held)
      if (held.size() > 2 && !certificate.revoked_at && now - certificate.issued_at > kOldCertificateLives &&
          certificate.serial_hex != held.front().serial_hex && certificate.serial_hex != held.back().serial_hex)
        BELAY_TRY(store::nodes::revoke_certificate(sql, certificate.serial_hex, now));
    BELAY_TRY(keep_certificate(sql, id, certificate_pem, now));
    return note_in_audit(sql, now, id, "node:renew-certificate", id);
  }));
  return wire::RenewReply{certificate_pem, authority_.ca.certificate_pem};
}

Status NodeRegistry::deregister(std::string_view node_id, std::string_view requested_by) {
  BELAY_TRY(store_.write([&](Sql& sql) -> Status {
    const Instant now = clock_.now();
    BELAY_TRY(store::nodes::deregister(sql, node_id, now));
    BELAY_TRY(end_orders_of_removed(sql, node_id, now));
    BELAY_TRY(node_changed(sql, node_id, now));
    return note_in_audit(sql, now, requested_by, "ssm:DeregisterManagedInstance", node_id);
  }));
  if (on_revoked) on_revoked(node_id);
  return {};
}

Result<std::optional<Instant>> NodeRegistry::settle_clone(std::string_view node_id, std::string_view requested_by) {
  return store_.write([&](Sql& sql) -> Result<std::optional<Instant>> {
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
    if (!node.clone_seen_at) return std::optional<Instant>();
    BELAY_TRY(store::nodes::clear_clone(sql, node_id));
    BELAY_TRY(note_in_audit(sql, clock_.now(), requested_by, "belay:SettleClonedNode", node_id,
                            {{"address", node.address}, {"other_address", node.clone_address}}));
    return node.clone_seen_at;
  });
}

}  // namespace belay::server
