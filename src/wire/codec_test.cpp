#include "wire/codec.hpp"

#include <gtest/gtest.h>

namespace belay::wire {
namespace {

TEST(Codec, MessagesGoRound) {
  Order order;
  order.order_id = "o";
  order.kind = OrderKind::patch;
  order.patch = patchrun::PatchRunOrder{};
  order.patch->changes = {{"libc6", "amd64", "1", "2", "ab", 5}};
  const auto text = json::encode_text(order);
  EXPECT_EQ(json::encode_text(json::decode_text<Order>(text).value()), text);

  const auto envelope = parse_envelope(to_text(pack("id-1", NeedSets{{"a"}, {"b"}}))).value();
  EXPECT_EQ(unpack<NeedSets>(envelope).value().offer_set_hashes.at(0), "b");
  EXPECT_FALSE(unpack<Ack>(envelope).ok());
}

TEST(Codec, RefusesNewerVersionsAndMissingIds) {
  EXPECT_EQ(parse_envelope(R"({"version":2,"id":"x","type":"ack","body":{}})").error().code(), Code::unsupported);
  EXPECT_FALSE(parse_envelope(R"({"version":1,"type":"ack","body":{}})").ok());
  EXPECT_FALSE(parse_envelope(R"({"version":1,"id":"x","type":"ack")").ok());
}

TEST(CanonicalText, DoesNotDependOnOrderOrRepeats) {
  fleet::PackageSet a{fleet::PackageFormat::deb, {{"a", "all", "1"}, {"b", "all", "1"}}};
  fleet::PackageSet b{fleet::PackageFormat::deb, {{"b", "all", "1"}, {"a", "all", "1"}, {"a", "all", "1"}}};
  EXPECT_EQ(canonical_text(a), canonical_text(b));
}

}  // namespace
}  // namespace belay::wire
