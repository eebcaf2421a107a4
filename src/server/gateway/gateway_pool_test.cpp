#include "server/engine/order_desk.hpp"
#include "server/engine/package_pool.hpp"
#include "server/gateway/gateway_fixture_test.hpp"
#include "store/audit.hpp"
#include "store/pool.hpp"

namespace belay::server {
namespace {

class GatewayPoolTest : public GatewayTest {
 protected:
  static fleet::PackageChange change(const std::string& name, const std::string& content) {
    return {name, "amd64", "1", "2", io::sha256_hex(content), content.size()};
  }
  void hold(const std::vector<fleet::PackageChange>& changes) {
    const auto held = store_->write(
        [&](store::Sql& sql) { return store::pool::reference(sql, "cs-1", changes, clock_.now(), std::nullopt); });
    ASSERT_TRUE(held.ok()) << held.error().chain();
  }
  static std::string place(const std::string& sha256, int chunk) {
    return "/agent/v1/pool/" + sha256 + "/" + std::to_string(chunk);
  }
  // Every chunk, until one is refused; the last answer.
  io::HttpResponse give(const Enrolled& node, const std::string& sha256, const std::string& content) {
    io::HttpResponse last;
    for (std::size_t at = 0; at < content.size(); at += store::pool::kChunkBytes) {
      last = send("PUT", place(sha256, static_cast<int>(at / store::pool::kChunkBytes)),
                  content.substr(at, store::pool::kChunkBytes), &node);
      if (last.status != 200) break;
    }
    return last;
  }
  void order(const Enrolled& node, const fleet::PackageChange& change) {
    wire::Order order;
    order.order_id = new_id();
    order.node_id = node.id;
    order.issued_at = clock_.now();
    order.expires_at = clock_.now() + Duration(600'000);
    order.kind = wire::OrderKind::patch;
    order.patch.emplace();
    order.patch->changes = {change};
    const auto queued =
        store_->write([&](store::Sql& sql) { return queue_order(sql, authority_, order, {"test", "1"}); });
    ASSERT_TRUE(queued.ok()) << queued.error().chain();
  }
  wire::PoolEntry entry(const Enrolled& node, const std::string& sha256) {
    const auto said = post("/agent/v1/pool", json::encode_text(wire::PoolQuestion{{sha256}}), &node);
    EXPECT_EQ(said.status, 200) << said.body;
    const auto answer = json::decode_text<wire::PoolAnswer>(said.body);
    EXPECT_TRUE(answer.ok() && answer->chunk_bytes == store::pool::kChunkBytes) << said.body;
    return answer.ok() && !answer->entries.empty() ? answer->entries.front() : wire::PoolEntry{};
  }
  std::size_t audited(const std::string& action, const std::string& actor) {
    store::audit::Filter filter;
    filter.action = action, filter.actor = actor;
    return store_->read([&](store::Sql& sql) { return store::audit::list(sql, filter, {}); })->items.size();
  }
  static std::string reason(const io::HttpResponse& response) {
    const auto body = json::parse(response.body);
    return body.ok() ? json::text_or_empty(*body, "reason") : "";
  }
};

TEST_F(GatewayPoolTest, OneNodeGivesAndAnotherWithAnOrderFetches) {
  const auto giver = enroll("one"), fetcher = enroll("two");
  const std::string content = std::string(store::pool::kChunkBytes, 'x') + "the rest";
  const auto wanted = change("openssl", content);
  EXPECT_EQ(entry(giver, wanted.sha256).sha256, "") << "no change set names it";
  hold({wanted});
  EXPECT_TRUE(entry(giver, wanted.sha256).wanted);
  ASSERT_EQ(give(giver, wanted.sha256, content).status, 200);
  EXPECT_TRUE(entry(fetcher, wanted.sha256).complete);
  EXPECT_FALSE(entry(fetcher, wanted.sha256).wanted);
  EXPECT_EQ(audited("node:fill-pool", giver.id), 1U);
  const auto refused = send("GET", place(wanted.sha256, 0), "", &fetcher);
  EXPECT_EQ(refused.status, 403) << "no order of it names the file";
  EXPECT_EQ(reason(refused), "pool-not-ordered");
  order(fetcher, wanted);
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));  // the answer above is remembered for a second
  EXPECT_EQ(send("GET", place(wanted.sha256, 0), "", &fetcher).body, content.substr(0, store::pool::kChunkBytes));
  EXPECT_EQ(send("GET", place(wanted.sha256, 1), "", &fetcher).body, "the rest");
  EXPECT_EQ(send("GET", place(wanted.sha256, 2), "", &fetcher).status, 404);
  EXPECT_EQ(send("GET", place(wanted.sha256, 0), "", &giver).status, 403) << "another node's order is not its own";
  EXPECT_NE(gateway_->metrics().find("belay_pool_packages_given_total 1\n"), std::string::npos);
}

TEST_F(GatewayPoolTest, AHostileNodeGetsNothingIn) {
  const auto hostile = enroll("hostile"), honest = enroll("honest");
  const auto wanted = change("openssl", "good");
  const auto unnamed = io::sha256_hex("a virus");
  EXPECT_EQ(give(hostile, unnamed, "a virus").status, 404) << "no change set names it";
  hold({wanted, change("big", std::string(8, 'b'))});
  EXPECT_EQ(reason(give(hostile, wanted.sha256, "too long")), "pool-chunk-size");
  EXPECT_EQ(reason(send("PUT", place(wanted.sha256, 7), "good", &hostile)), "pool-chunk-size");
  EXPECT_EQ(send("PUT", place(wanted.sha256, 0), std::string(17u << 20, 'x'), &hostile).status, 413);
  const auto wrong = give(hostile, wanted.sha256, "evil");
  EXPECT_EQ(wrong.status, 422) << wrong.body;
  EXPECT_EQ(reason(wrong), "pool-hash-mismatch");
  EXPECT_EQ(audited("node:send-wrong-package", hostile.id), 1U);
  EXPECT_FALSE(entry(hostile, wanted.sha256).complete);
  EXPECT_EQ(reason(give(hostile, wanted.sha256, "evil")), "pool-mistrusted");
  EXPECT_EQ(give(honest, wanted.sha256, "good").status, 200);
  EXPECT_EQ(give(hostile, wanted.sha256, "evil").status, 200) << "it is there: nothing is taken in";
  order(honest, wanted);
  EXPECT_EQ(send("GET", place(wanted.sha256, 0), "", &honest).body, "good");
  for (const auto& path :
       std::vector<std::string>{"/agent/v1/pool/" + wanted.sha256, "/agent/v1/pool/../renew/0", place("ABC", 0),
                                "/agent/v1/pool/" + wanted.sha256 + "/-1", "/agent/v1/pool/" + wanted.sha256 + "/1x",
                                "/agent/v1/pool/" + wanted.sha256 + "/99999999999"})
    EXPECT_EQ(send("GET", path, "", &honest).status, 404) << path;
  EXPECT_EQ(send("DELETE", place(wanted.sha256, 0), "", &honest).status, 400);
  EXPECT_EQ(post("/agent/v1/pool", "{\"sha256s\":3}", &honest).status, 400);
  EXPECT_EQ(
      post("/agent/v1/pool", json::encode_text(wire::PoolQuestion{std::vector<std::string>(5'001, unnamed)}), &honest)
          .status,
      400);
  EXPECT_EQ(send("GET", place(wanted.sha256, 0), "", nullptr).status, 401);
}

TEST_F(GatewayPoolTest, AFullPoolRefusesWithItsFigures) {
  const auto node = enroll();
  const std::string large(4u << 20, 'x'), larger(2u << 20, 'y');
  hold({change("large", large), change("larger", larger)});
  ASSERT_EQ(give(node, io::sha256_hex(large), large).status, 200);
  const auto full = give(node, io::sha256_hex(larger), larger);
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(reason(full), "pool-full");
  EXPECT_NE(full.body.find("4194304 of 5242880"), std::string::npos) << full.body;
  EXPECT_TRUE(entry(node, io::sha256_hex(large)).complete) << "nothing is lost";
}

TEST_F(GatewayPoolTest, WhatWasDamagedInTheStoreIsFoundAndGoes) {
  const auto node = enroll();
  const auto wanted = change("openssl", "good");
  hold({wanted});
  order(node, wanted);
  ASSERT_EQ(give(node, wanted.sha256, "good").status, 200);
  ASSERT_TRUE(
      store_
          ->write([&](store::Sql& sql) { return sql.exec("UPDATE pool_chunks SET body = $1", {store::Blob{"evil"}}); })
          .ok());
  PackagePool after_a_start(*store_, clock_, kPoolBytes);
  const auto found = after_a_start.get(node.id, wanted.sha256, 0);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().reason(), "pool-damaged");
  EXPECT_EQ(audited("belay:DropDamagedPackage", "belayd"), 1U);
  EXPECT_TRUE(entry(node, wanted.sha256).wanted);
  EXPECT_EQ(give(node, wanted.sha256, "good").status, 200) << "and is filled again";
  EXPECT_EQ(after_a_start.get(node.id, wanted.sha256, 0).value(), "good");
}

TEST_F(GatewayPoolTest, WithoutAPoolNothingIsTaken) {
  const auto node = enroll();
  const auto wanted = change("openssl", "good");
  hold({wanted});
  PackagePool none(*store_, clock_, 0);
  EXPECT_FALSE(none.ask({{wanted.sha256}})->entries.front().wanted);
  EXPECT_EQ(none.put(node.id, wanted.sha256, 0, "good").error().reason(), "pool-off");
}

}  // namespace
}  // namespace belay::server
