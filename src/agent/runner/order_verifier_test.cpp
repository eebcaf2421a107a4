#include "agent/runner/order_verifier.hpp"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace belay::agent
