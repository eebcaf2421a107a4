#include "agent/runner/order_verifier.hpp"

#include <algorithm>
#include <set>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kOrderBytesMax = 8 << 20;
constexpr Duration kClockDisagreementMax{600'000};

struct CounterFile {
  std::uint32_t format = 1;
  std::uint64_t counter = 0;
};
BOOST_DESCRIBE_STRUCT(CounterFile, (), (format, counter))

Status check_shape(const wire::Order& order) {
  const bool whole =
      is_uuid(order.order_id) && order.counter > 0 &&
      ((order.kind == wire::OrderKind::scan && order.scan) || (order.kind == wire::OrderKind::patch && order.patch) ||
       (order.kind == wire::OrderKind::steps && order.steps) || (order.kind == wire::OrderKind::plan && order.plan) ||
       (order.kind == wire::OrderKind::associations && order.associations) ||
       (order.kind == wire::OrderKind::backup && order.backup));
  if (!whole) return Error(Code::invalid_argument, "the order lacks what its kind needs", "order-malformed");
  const auto& changes = order.patch  ? order.patch->changes
                        : order.plan ? order.plan->changes
                                     : std::vector<fleet::PackageChange>();
  if (changes.size() > wire::kPackagesMax)
    return Error(Code::invalid_argument, "the order names " + std::to_string(changes.size()) + " packages",
                 "order-malformed");
  return {};
}

}  // namespace

OrderVerifier::OrderVerifier(io::Files& files, StatePaths paths, std::string node_id, std::string public_key)
    : files_(files), paths_(std::move(paths)), node_id_(std::move(node_id)), public_key_(std::move(public_key)) {}

Result<wire::Order> OrderVerifier::open(const wire::SignedOrder& sent) const {
  const auto signature = from_base64(sent.signature);
  if (!signature.ok() || !io::ed25519_verify(public_key_, sent.payload, *signature))
    return Error(Code::unauthenticated, "the order is not signed by the server that this node was enrolled at",
                 "signature-bad");
  BELAY_TRY_ASSIGN(auto order,
                   json::decode_text<wire::Order>(sent.payload, {.bytes_max = kOrderBytesMax, .depth_max = 20})
                       .within("the order cannot be read"));
  if (order.node_id != node_id_)
    return Error(Code::permission_denied, "the order is for node " + order.node_id + ", this is " + node_id_,
                 "wrong-node");
  return order;
}

Status OrderVerifier::check(const wire::Order& order, Instant now) const {
  BELAY_TRY(check_shape(order));
  if (order.patch && order.patch->approved) BELAY_TRY(check_approvals(*order.patch));
  BELAY_TRY_ASSIGN(const auto last, last_counter());
  if (order.counter <= last)
    return Error(Code::conflict,
                 "the order's counter " + std::to_string(order.counter) + " is not above " + std::to_string(last) +
                     ", the last one accepted",
                 "order-replayed");
  if (order.issued_at > now + kClockDisagreementMax)
    return Error(Code::conflict,
                 "the order was issued at " + to_iso8601(order.issued_at) + ", and here it is " + to_iso8601(now) +
                     "; set the clock",
                 "clock-wrong");
  if (now > order.expires_at)
    return Error(Code::timed_out,
                 "the order expired at " + to_iso8601(order.expires_at) + ", and here it is " + to_iso8601(now),
                 "order-expired");
  return {};
}

// How many are enough, the node's own policy says; here, whether those that are there are what they say.
Status OrderVerifier::check_approvals(const patchrun::PatchRunOrder& patch) const {
  const auto bad = [&](std::string what) {
    return Error(Code::unauthenticated,
                 "the approvals of change set " + sanitize(patch.change_set_id, 64) + " " + std::move(what),
                 "approval-bad");
  };
  const auto& approved = *patch.approved;
  if (approved.approvals.size() > patchrun::kApprovalsMax) return bad("are too many");
  const auto is_plain = [](std::string_view text) {
    return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  };
  if (!is_plain(patch.change_set_id) || !is_plain(approved.author) || !is_plain(approved.sha256) ||
      !is_plain(approved.root))
    return bad("name it by what is no name");
  std::set<std::string> approvers;
  for (const auto& one : approved.approvals) {
    const auto statement = patchrun::approval_statement(patch.change_set_id, approved, one.approver, one.at);
    const auto signature = from_base64(one.signature);
    if (!is_plain(one.approver) || !signature.ok() || !io::ed25519_verify(public_key_, statement, *signature))
      return bad("are not signed by the server that this node was enrolled at");
    if (one.approver == approved.author) return bad("are by its author");
    if (!approvers.insert(one.approver).second) return bad("are by the same person twice");
  }
  if (!patchrun::proves(approved, patch.changes, io::sha256))
    return bad("are not of the changes that the order tells this node to make");
  return {};
}

Status OrderVerifier::remember(std::uint64_t counter) {
  BELAY_TRY_ASSIGN(const auto last, last_counter());
  if (counter <= last) return {};
  return files_.write_durable(paths_.counter(), json::encode_text(CounterFile{1, counter}), 0600)
      .within("the order counter cannot be kept");
}

Result<std::uint64_t> OrderVerifier::last_counter() const {
  const auto text = files_.read(paths_.counter(), 4'096);
  if (!text.ok() && text.error().code() == Code::not_found) return std::uint64_t{0};
  if (!text.ok()) return text.error();
  BELAY_TRY_ASSIGN(const auto file, json::decode_text<CounterFile>(*text).within(paths_.counter()));
  return file.counter;
}

}  // namespace belay::agent
