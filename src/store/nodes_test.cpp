#include "store/nodes.hpp"

#include <algorithm>

#include "store/activations.hpp"
#include "store/fixture_test.hpp"
#include "store/orders.hpp"
#include "store/tags.hpp"

namespace belay::store {
namespace {

class NodesTest : public StoreTest {
 protected:
  void add(const std::string& id, const std::string& name, const std::string& os, std::optional<Instant> seen = {}) {
    nodes::Node node;
    node.node_id = id;
    node.name = name;
    node.operating_system = os;
    node.registered_at = at_s(1);
    node.last_seen_at = seen;
    node.activation_id = "a-" + os;
    node.facts.computer_name = "host-" + id;
    node.facts.mounts = {{.path = "/", .device = "/dev/vda1", .type = "ext4", .bytes_total = 10, .bytes_free = 5}};
    ASSERT_OK(write([&](Sql& sql) { return nodes::create(sql, node); }));
  }
  std::vector<std::string> ids(const nodes::NodeFilter& filter) {
    const auto found = read([&](Sql& sql) { return nodes::list_ids(sql, filter, {.limit = 1'000, .after = {}}); });
    EXPECT_OK(found);
    const auto counted = read([&](Sql& sql) { return nodes::count(sql, filter); });
    EXPECT_OK(counted);
    EXPECT_EQ(static_cast<std::size_t>(*counted), found->items.size());
    return found->items;
  }
};
BELAY_ON_EVERY_STORE(NodesTest);
using Ids = std::vector<std::string>;

TEST_P(NodesTest, ANodeComesBackWhole) {
  add("mi-1", "web", "DEBIAN", at_s(5));
  const auto node = read([](Sql& sql) { return nodes::get(sql, "mi-1"); });
  ASSERT_OK(node);
  EXPECT_EQ(node->name, "web");
  EXPECT_EQ(node->state, nodes::NodeState::active);
  EXPECT_EQ(node->last_seen_at, at_s(5));
  EXPECT_EQ(node->facts.mounts.at(0).path, "/");
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return nodes::get(sql, "mi-2"); }));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) { return nodes::create(sql, *node); }));
  fleet::NodeFacts facts;
  facts.computer_name = "renamed";
  facts.os_version = "12";
  facts.reboot_required = true;
  ASSERT_OK(write([&](Sql& sql) { return nodes::set_facts(sql, "mi-1", facts, "UBUNTU", "9.9"); }));
  const auto changed = read([](Sql& sql) { return nodes::get(sql, "mi-1"); });
  EXPECT_EQ(changed->facts.computer_name, "renamed");
  EXPECT_EQ(changed->operating_system, "UBUNTU");
  add("mi-0", "db", "DEBIAN");
  const auto briefs = read([](Sql& sql) { return nodes::get_briefs(sql, Ids{"mi-1", "mi-7", "mi-0", "mi-1"}); });
  ASSERT_OK(briefs);
  ASSERT_EQ(briefs->size(), 2u);
  EXPECT_EQ(briefs->at(0).name, "db");
  EXPECT_FALSE(briefs->at(0).reboot_required);
  EXPECT_TRUE(briefs->at(1).reboot_required);
  EXPECT_EQ(briefs->at(1).os_version, "12");
  EXPECT_EQ(nodes::brief_of(*changed).os_version, "12");
  const auto first = read([](Sql& sql) { return nodes::list_briefs(sql, {}, {.limit = 1, .after = {}}); });
  ASSERT_OK(first);
  EXPECT_EQ(first->items.at(0).node_id, "mi-0");
  EXPECT_EQ(first->next, "mi-0");
  EXPECT_CODE(Code::not_found, write([&](Sql& sql) { return nodes::set_name(sql, "mi-9", "x"); }));
}

TEST_P(NodesTest, FiltersAreAndOfOrs) {
  add("mi-1", "web", "DEBIAN", at_s(10));
  add("mi-2", "db", "DEBIAN", at_s(20));
  add("mi-3", "web", "UBUNTU");
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(
        tags::set(sql, tags::kManagedInstance, "mi-1", std::vector<tags::Tag>{{"Ring", "dev"}, {"Patch Group", "a"}}));
    return tags::set(sql, tags::kManagedInstance, "mi-2", std::vector<tags::Tag>{{"Ring", "prod"}});
  }));
  EXPECT_EQ(ids({}), (Ids{"mi-1", "mi-2", "mi-3"}));
  EXPECT_EQ(ids({.names = {"web"}}), (Ids{"mi-1", "mi-3"}));
  EXPECT_EQ(ids({.names = {"web"}, .operating_systems = {"UBUNTU", "SUSE"}}), (Ids{"mi-3"}));
  EXPECT_EQ(ids({.node_ids = {"mi-3", "mi-2", "mi-2"}}), (Ids{"mi-2", "mi-3"}));
  EXPECT_EQ(ids({.names_or_ids = {"web", "mi-2"}}), (Ids{"mi-1", "mi-2", "mi-3"}));
  EXPECT_EQ(ids({.names_or_ids = {"host-mi-3"}}), (Ids{"mi-3"}));
  EXPECT_EQ(ids({.seen = {{.from = at_s(15), .before = {}}}}), (Ids{"mi-2"}));
  EXPECT_EQ(ids({.seen = {{.from = {}, .before = at_s(15)}}}), (Ids{"mi-1", "mi-3"}));
  EXPECT_EQ(ids({.seen = {{.from = at_s(15), .before = {}}, {.from = at_s(5), .before = at_s(15)}}}),
            (Ids{"mi-1", "mi-2"}));
  EXPECT_EQ(ids({.tags = {{"Ring", {"dev", "prod"}}}}), (Ids{"mi-1", "mi-2"}));
  EXPECT_EQ(ids({.tags = {{"Ring", {"dev", "prod"}}, {"Patch Group", {}}}}), (Ids{"mi-1"}));
  EXPECT_EQ(ids({.tags = {{"Ring", {"' OR 1=1 --"}}}}), Ids{});
}

TEST_P(NodesTest, PagesCoverEverythingOnce) {
  for (int i = 0; i < 25; ++i) add("mi-" + std::to_string(100 + i), "n", "DEBIAN");
  Ids seen;
  Page page{.limit = 10, .after = {}};
  do {
    const auto part = read([&](Sql& sql) { return nodes::list(sql, {}, page); });
    ASSERT_OK(part);
    for (const auto& node : part->items) seen.push_back(node.node_id);
    page.after = part->next;
  } while (!page.after.empty());
  EXPECT_EQ(seen.size(), 25u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  const auto many = read([](Sql& sql) { return nodes::get_many(sql, Ids{"mi-103", "none", "mi-101", "mi-103"}); });
  ASSERT_OK(many);
  ASSERT_EQ(many->size(), 2u);
  EXPECT_EQ(many->front().node_id, "mi-101");
}

TEST_P(NodesTest, HeartbeatsNeverGoBackAndPassOverTheUnknown) {
  add("mi-1", "a", "DEBIAN");
  ASSERT_OK(write([](Sql& sql) {
    return nodes::touch_many(sql, std::vector<nodes::Touch>{{"mi-1", at_s(9)}, {"mi-0", at_s(9)}, {"mi-1", at_s(3)}});
  }));
  EXPECT_EQ(read([](Sql& sql) { return nodes::get(sql, "mi-1"); })->last_seen_at, at_s(9));
}

TEST_P(NodesTest, SessionsTellWhatWasBefore) {
  add("mi-1", "a", "DEBIAN");
  const auto first =
      write([](Sql& sql) { return nodes::begin_session(sql, "mi-1", {"nonce1", "boot1", "192.0.2.1", at_s(1)}); });
  ASSERT_OK(first);
  EXPECT_EQ(first->instance_nonce, "");
  const auto second =
      write([](Sql& sql) { return nodes::begin_session(sql, "mi-1", {"nonce2", "boot1", "192.0.2.2", at_s(2)}); });
  ASSERT_OK(second);
  EXPECT_EQ(second->instance_nonce, "nonce1");
  EXPECT_EQ(second->address, "192.0.2.1");
  EXPECT_EQ(second->at, at_s(1));
  EXPECT_EQ(second->earlier_nonce, "");
  const auto begin = [&](const char* nonce) {
    return *write([&](Sql& sql) { return nodes::begin_session(sql, "mi-1", {nonce, "boot1", "192.0.2.2", at_s(2)}); });
  };
  EXPECT_EQ(begin("nonce2").earlier_nonce, "nonce1") << "a reconnect changes nothing";
  EXPECT_EQ(begin("nonce2").earlier_nonce, "nonce1");
  EXPECT_EQ(begin("nonce3").earlier_nonce, "nonce1");
  EXPECT_EQ(begin("nonce3").earlier_nonce, "nonce2");
  ASSERT_OK(write([](Sql& sql) { return nodes::mark_clone(sql, "mi-1", at_s(2), "192.0.2.1"); }));
  EXPECT_EQ(read([](Sql& sql) { return nodes::get(sql, "mi-1"); })->clone_seen_at, at_s(2));
  EXPECT_EQ(read([](Sql& sql) { return nodes::get(sql, "mi-1"); })->clone_address, "192.0.2.1");
  add("mi-2", "b", "DEBIAN");
  EXPECT_EQ(ids({.only_in_doubt = true}), Ids{"mi-1"});
  ASSERT_OK(write([](Sql& sql) { return nodes::clear_clone(sql, "mi-1"); }));
  EXPECT_EQ(read([](Sql& sql) { return nodes::get(sql, "mi-1"); })->clone_seen_at, std::nullopt);
}

TEST_P(NodesTest, CertificatesAreRefusedByName) {
  add("mi-1", "a", "DEBIAN");
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(nodes::add_certificate(sql, {"aa", "mi-1", at_s(0), at_s(100), {}}));
    return nodes::add_certificate(sql, {"bb", "mi-1", at_s(0), at_s(200), {}});
  }));
  const auto as = [&](const char* serial, std::int64_t when) {
    return read([&](Sql& sql) { return nodes::authenticate(sql, serial, at_s(when)); });
  };
  EXPECT_EQ(*as("aa", 50), "mi-1");
  EXPECT_REASON("certificate-unknown", as("cc", 50));
  EXPECT_REASON("certificate-expired", as("aa", 100));
  ASSERT_OK(write([](Sql& sql) { return nodes::revoke_certificates(sql, "mi-1", at_s(60), "bb"); }));
  EXPECT_REASON("certificate-revoked", as("aa", 50));
  EXPECT_EQ(*as("bb", 50), "mi-1");
  const auto revoked = read([](Sql& sql) { return nodes::revoked_since(sql, at_s(60), {}); });
  ASSERT_OK(revoked);
  ASSERT_EQ(revoked->items.size(), 1u);
  EXPECT_EQ(revoked->items[0].serial_hex, "aa");
  EXPECT_CODE(Code::already_exists,
              write([](Sql& sql) { return nodes::add_certificate(sql, {"aa", "mi-1", at_s(0), at_s(1), {}}); }));
  EXPECT_REASON("reference-missing",
                write([](Sql& sql) { return nodes::add_certificate(sql, {"dd", "mi-9", at_s(0), at_s(1), {}}); }));
}

TEST_P(NodesTest, DeregisteringStopsEverythingAndKeepsTheHistory) {
  add("mi-1", "a", "DEBIAN");
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(nodes::add_certificate(sql, {"aa", "mi-1", at_s(0), at_s(100), {}}));
    orders::Order order;
    order.order_id = "o1";
    order.node_id = "mi-1";
    BELAY_TRY_ASSIGN(order.counter, orders::next_counter(sql, "mi-1"));
    order.kind = "scan";
    order.signature = "s";
    order.expires_at = at_s(1'000);
    BELAY_TRY(orders::queue(sql, order));
    return nodes::deregister(sql, "mi-1", at_s(5));
  }));
  EXPECT_REASON("node-deregistered", read([](Sql& sql) { return nodes::authenticate(sql, "aa", at_s(6)); }));
  EXPECT_REASON("node-deregistered", write([](Sql& sql) { return nodes::begin_session(sql, "mi-1", {}); }));
  EXPECT_REASON("node-deregistered", write([](Sql& sql) { return orders::next_counter(sql, "mi-1"); }));
  EXPECT_EQ(read([](Sql& sql) { return orders::get(sql, "o1"); })->state, orders::State::cancelled);
  EXPECT_EQ(ids({}), Ids{});
  EXPECT_EQ(ids({.include_deregistered = true}), (Ids{"mi-1"}));
  ASSERT_OK(write([](Sql& sql) { return nodes::deregister(sql, "mi-1", at_s(9)); }));
  EXPECT_EQ(read([](Sql& sql) { return nodes::get(sql, "mi-1"); })->deregistered_at, at_s(5));
}

class TagsTest : public StoreTest {};
BELAY_ON_EVERY_STORE(TagsTest);

TEST_P(TagsTest, AreSetOverwrittenRemovedAndFound) {
  ASSERT_OK(write([](Sql& sql) -> Status {
    BELAY_TRY(tags::set(sql, "PatchBaseline", "pb-1", std::vector<tags::Tag>{{"b", "1"}, {"a", "2"}}));
    BELAY_TRY(tags::set(sql, "PatchBaseline", "pb-2", std::vector<tags::Tag>{{"a", "3"}}));
    BELAY_TRY(tags::set(sql, "ManagedInstance", "mi-1", std::vector<tags::Tag>{{"a", "2"}}));
    return tags::set(sql, "PatchBaseline", "pb-1", std::vector<tags::Tag>{{"b", "9"}});
  }));
  EXPECT_EQ(*read([](Sql& sql) { return tags::list(sql, "PatchBaseline", "pb-1"); }),
            (std::vector<tags::Tag>{{"a", "2"}, {"b", "9"}}));
  const auto many = read([](Sql& sql) { return tags::list_many(sql, "PatchBaseline", Ids{"pb-1", "pb-2", "pb-3"}); });
  ASSERT_OK(many);
  EXPECT_EQ(many->size(), 2u);
  const auto found = read([](Sql& sql) {
    return tags::find(sql, "PatchBaseline", std::vector<tags::TagFilter>{{"a", {}}}, {.limit = 1, .after = {}});
  });
  ASSERT_OK(found);
  EXPECT_EQ(found->items, Ids{"pb-1"});
  EXPECT_EQ(found->next, "pb-1");
  EXPECT_EQ(read([](Sql& sql) { return tags::values(sql, "PatchBaseline", "a", {}); })->items, (Ids{"2", "3"}));
  ASSERT_OK(write([](Sql& sql) { return tags::remove(sql, "PatchBaseline", "pb-1", Ids{"a", "zzz"}); }));
  EXPECT_EQ(read([](Sql& sql) { return tags::list(sql, "PatchBaseline", "pb-1"); })->size(), 1u);
  ASSERT_OK(write([](Sql& sql) { return tags::remove_all(sql, "PatchBaseline", "pb-1"); }));
  EXPECT_TRUE(read([](Sql& sql) { return tags::list(sql, "PatchBaseline", "pb-1"); })->empty());
}

TEST_P(TagsTest, AreBounded) {
  std::vector<tags::Tag> fifty;
  for (int i = 0; i < 50; ++i) fifty.push_back({"key" + std::to_string(i), ""});
  ASSERT_OK(write([&](Sql& sql) { return tags::set(sql, "X", "1", fifty); }));
  ASSERT_OK(write([&](Sql& sql) { return tags::set(sql, "X", "1", fifty); }));
  const auto one = [&](std::string key, std::string value) {
    return write([&](Sql& sql) { return tags::set(sql, "X", "1", std::vector<tags::Tag>{{key, value}}); });
  };
  EXPECT_REASON("too-many-tags", one("one more", ""));
  EXPECT_CODE(Code::invalid_argument, one("", "v"));
  EXPECT_CODE(Code::invalid_argument, one(std::string(129, 'k'), "v"));
  EXPECT_CODE(Code::invalid_argument, one("key1", std::string(257, 'v')));
  EXPECT_CODE(Code::invalid_argument, one("key1", "\xff"));
  std::string wide;
  for (int i = 0; i < 128; ++i) wide += "ä";
  ASSERT_OK(write([&](Sql& sql) { return tags::set(sql, "X", "2", std::vector<tags::Tag>{{wide, wide}}); }));
}

class ActivationsTest : public StoreTest {};
BELAY_ON_EVERY_STORE(ActivationsTest);

TEST_P(ActivationsTest, CountExpireAndKeepNoCode) {
  const std::string code = "0123456789abcdefghij";
  activations::Activation wanted;
  wanted.activation_id = "act-1";
  wanted.registration_limit = 2;
  wanted.created_at = at_s(0);
  wanted.expires_at = at_s(100);
  wanted.tags = {{"Ring", "dev"}};
  EXPECT_CODE(Code::invalid_argument,
              write([&](Sql& sql) { return activations::create(sql, wanted, "short", std::string(16, 's')); }));
  ASSERT_OK(write([&](Sql& sql) { return activations::create(sql, wanted, code, std::string(16, '\xf0')); }));
  const auto use = [&](const std::string& id, const std::string& with, std::int64_t when) {
    return write([&](Sql& sql) { return activations::consume(sql, id, with, at_s(when)); });
  };
  EXPECT_REASON("activation-invalid", use("act-9", code, 1));
  EXPECT_REASON("activation-invalid", use("act-1", code + "x", 1));
  EXPECT_REASON("activation-expired", use("act-1", code, 100));
  const auto used = use("act-1", code, 1);
  ASSERT_OK(used);
  EXPECT_EQ(used->registrations_count, 1u);
  EXPECT_EQ(used->tags, wanted.tags);
  ASSERT_OK(use("act-1", code, 2));
  EXPECT_REASON("activation-used-up", use("act-1", code, 3));
  EXPECT_EQ(read([](Sql& sql) { return activations::get(sql, "act-1"); })->registrations_count, 2u);
  wanted.activation_id = "act-2";
  wanted.created_at = at_s(10);
  ASSERT_OK(write([&](Sql& sql) { return activations::create(sql, wanted, code, std::string(16, 's')); }));
  const auto first = read([](Sql& sql) { return activations::list(sql, {}, {.limit = 1, .after = {}}); });
  ASSERT_OK(first);
  EXPECT_EQ(first->items.at(0).activation_id, "act-2");
  const auto second = read([&](Sql& sql) { return activations::list(sql, {}, {.limit = 1, .after = first->next}); });
  ASSERT_OK(second);
  EXPECT_EQ(second->items.at(0).activation_id, "act-1");
  EXPECT_EQ(second->next, "");
  EXPECT_REASON("page-token-invalid",
                read([](Sql& sql) { return activations::list(sql, {}, {.limit = 1, .after = "x"}); }));
  ASSERT_OK(write([](Sql& sql) { return activations::remove(sql, "act-1"); }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return activations::remove(sql, "act-1"); }));
}

}  // namespace
}  // namespace belay::store
