#include "agent/runner/order_verifier.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "tests/fakes/memory_files.hpp"

namespace belay::agent {
namespace {

const Instant kNow = from_unix_ms(1'795'435'200'000);
const std::string kNode = "mi-0123456789abcdef0";

struct Verifier : testing::Test {
  fakes::MemoryFiles disk;
  io::SigningKeyPair keys = io::make_signing_key();
  StatePaths paths{"/state"};
  OrderVerifier verifier{disk, paths, kNode, keys.public_key};

  Verifier() { disk.put("/state/x", ""); }

  static wire::Order order(std::uint64_t counter) {
    wire::Order made;
    made.order_id = "11111111-2222-4333-8444-555555555555";
    made.node_id = kNode;
    made.counter = counter;
    made.issued_at = kNow;
    made.expires_at = kNow + std::chrono::hours(1);
    made.kind = wire::OrderKind::scan;
    made.scan = wire::ScanOrder{};
    return made;
  }
  wire::SignedOrder sign(const wire::Order& made) const {
    const auto payload = json::to_canonical_text(json::encode(made));
    return {payload, to_base64(io::ed25519_sign(keys.private_key, payload))};
  }
};

TEST_F(Verifier, TakesTheServersOrder) {
  const auto opened = verifier.open(sign(order(1)));
  ASSERT_TRUE(opened.ok()) << opened.error().chain();
  EXPECT_TRUE(verifier.check(*opened, kNow).ok());
}

TEST_F(Verifier, RefusesAnyOtherBytes) {
  auto sent = sign(order(1));
  for (std::size_t i = 0; i < sent.payload.size(); i += 7) {
    auto changed = sent;
    changed.payload[i] = static_cast<char>(changed.payload[i] ^ 1);
    EXPECT_EQ(verifier.open(changed).error().reason(), "signature-bad");
  }
  sent.signature = to_base64(std::string(64, 'x'));
  EXPECT_EQ(verifier.open(sent).error().reason(), "signature-bad");
  sent.signature = "no base64!";
  EXPECT_EQ(verifier.open(sent).error().reason(), "signature-bad");
}

TEST_F(Verifier, RefusesAnotherServersOrder) {
  const auto other = io::make_signing_key();
  const auto payload = json::to_canonical_text(json::encode(order(1)));
  EXPECT_EQ(verifier.open({payload, to_base64(io::ed25519_sign(other.private_key, payload))}).error().reason(),
            "signature-bad");
}

TEST_F(Verifier, RefusesAnotherNodesOrder) {
  auto made = order(1);
  made.node_id = "mi-0fedcba9876543210";
  EXPECT_EQ(verifier.open(sign(made)).error().reason(), "wrong-node");
}

TEST_F(Verifier, TheCounterOnlyGrowsAndSurvives) {
  ASSERT_TRUE(verifier.remember(5).ok());
  ASSERT_TRUE(verifier.remember(3).ok());
  disk.power_cut();
  const OrderVerifier later(disk, paths, kNode, keys.public_key);
  EXPECT_EQ(later.check(order(5), kNow).error().reason(), "order-replayed");
  EXPECT_EQ(later.check(order(4), kNow).error().reason(), "order-replayed");
  EXPECT_TRUE(later.check(order(6), kNow).ok());
}

TEST_F(Verifier, ACounterThatCannotBeReadAcceptsNothing) {
  disk.put(paths.counter(), "{broken");
  EXPECT_FALSE(verifier.check(order(100), kNow).ok());
}

TEST_F(Verifier, RefusesWhatIsLateOrFromTheFuture) {
  EXPECT_EQ(verifier.check(order(1), kNow + std::chrono::hours(2)).error().reason(), "order-expired");
  EXPECT_EQ(verifier.check(order(1), kNow - std::chrono::hours(2)).error().reason(), "clock-wrong");
  EXPECT_TRUE(verifier.check(order(1), kNow - std::chrono::minutes(5)).ok());
}

TEST_F(Verifier, RefusesAnOrderWithoutWhatItsKindNeeds) {
  for (const auto kind : {wire::OrderKind::patch, wire::OrderKind::steps, wire::OrderKind::plan}) {
    auto made = order(1);
    made.kind = kind;
    EXPECT_EQ(verifier.check(made, kNow).error().reason(), "order-malformed");
  }
  auto path = order(1);
  path.order_id = "../../etc/passwd";
  EXPECT_EQ(verifier.check(path, kNow).error().reason(), "order-malformed");
}

// An order of two changes out of a change set of five that bob and carol approved; alice made it.
struct Approvals : Verifier {
  std::vector<fleet::PackageChange> all;
  wire::Order made = order(1);

  Approvals() {
    for (const auto* name : {"a", "b", "c", "d", "e"}) all.push_back({name, "amd64", "1", "2", "ff", 7});
    made.kind = wire::OrderKind::patch;
    made.scan.reset();
    made.patch.emplace();
    made.patch->change_set_id = "cs-1";
    made.patch->changes = {all[1], all[3]};
    auto& approved = made.patch->approved.emplace();
    approved.sha256 = std::string(64, 'a');
    approved.author = "alice";
    EXPECT_TRUE(patchrun::ChangeTree(all, io::sha256).prove(made.patch->changes, approved));
    approve("bob");
    approve("carol");
  }
  void approve(const std::string& who, const std::string* key = nullptr) {
    auto& approved = *made.patch->approved;
    const auto statement = patchrun::approval_statement("cs-1", approved, who, kNow);
    approved.approvals.push_back({who, kNow, to_base64(io::ed25519_sign(key ? *key : keys.private_key, statement))});
  }
  std::string refusal() {
    const auto opened = verifier.open(sign(made));
    if (!opened.ok()) return opened.error().reason();
    const auto checked = verifier.check(*opened, kNow);
    return checked.ok() ? "" : checked.error().reason() + ": " + checked.error().message();
  }
};

TEST_F(Approvals, OfTheChangesThatAreOrderedAreTaken) { EXPECT_EQ(refusal(), ""); }

TEST_F(Approvals, ThatAreNotWhatTheySayAreRefused) {
  const auto good = made;
  const auto other = io::make_signing_key();
  const std::pair<const char*, std::function<void(patchrun::PatchRunOrder&)>> rows[] = {
      {"not of the changes", [](auto& patch) { patch.changes[0].to_version = "3"; }},
      {"not of the changes", [](auto& patch) { patch.changes.push_back({"evil", "amd64", "", "1", "", 0}); }},
      {"not of the changes", [](auto& patch) { patch.approved->proof.pop_back(); }},
      {"not signed", [](auto& patch) { patch.change_set_id = "cs-2"; }},
      {"not signed", [](auto& patch) { patch.approved->sha256[0] = 'b'; }},
      {"not signed", [](auto& patch) { patch.approved->author = "eve"; }},
      {"not signed", [](auto& patch) { patch.approved->approvals[0].approver = "dave"; }},
      {"not signed", [](auto& patch) { patch.approved->approvals[0].at += Duration(1'000); }},
      {"not signed", [](auto& patch) { patch.approved->approvals[0].signature = "no base64!"; }},
      {"twice", [](auto& patch) { patch.approved->approvals.push_back(patch.approved->approvals[0]); }},
      {"too many", [](auto& patch) { patch.approved->approvals.resize(21, patch.approved->approvals[0]); }},
      {"no name", [](auto& patch) { patch.approved->author = "alice\napprover: x"; }},
  };
  for (const auto& [what, spoil] : rows) {
    made = good;
    spoil(*made.patch);
    EXPECT_EQ(refusal().rfind("approval-bad: ", 0), 0u) << what;
    EXPECT_NE(refusal().find(what), std::string::npos) << refusal();
  }
  made = good;
  approve("dave", &other.private_key);
  EXPECT_NE(refusal().find("not signed"), std::string::npos);
  made = good;
  approve("alice");
  EXPECT_NE(refusal().find("by its author"), std::string::npos);
}

}  // namespace
}  // namespace belay::agent
