#include "server/gateway/gateway.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "io/pki.hpp"
#include "io/system_clock.hpp"
#include "server/engine/command_kind.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/order_desk.hpp"
#include "server/gateway/gateway_fixture_test.hpp"
#include "store/orders.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "tests/fakes/steps_done.hpp"
#include "wire/codec.hpp"

namespace belay::server {
namespace {

wire::ScanReport report_of(const fleet::PackageSet& packages, const fleet::OfferSet& offers) {
  wire::ScanReport report;
  report.scan_id = new_id();
  report.observed_at = io::system_clock().now();
  report.package_set_hash = io::sha256_hex(wire::canonical_text(packages));
  report.offer_set_hash = io::sha256_hex(wire::canonical_text(offers));
  report.facts.os_id = "debian";
  report.facts.os_version = "12";
  return report;
}

TEST_F(GatewayTest, EnrolsLinksAndTakesAScan) {
  const auto enrolled = enroll("web-1");
  EXPECT_EQ(node(enrolled.id).name, "web-1");
  const auto link = greet(enrolled);
  const fleet::PackageSet packages{fleet::PackageFormat::deb, {{"bash", "amd64", "5"}}};
  const fleet::OfferSet offers;
  const auto report = report_of(packages, offers);
  const auto id = link->send(report);
  ASSERT_TRUE(link->acknowledged(id));
  const auto need = link->next<wire::NeedSets>();
  ASSERT_TRUE(need.has_value());
  EXPECT_EQ(wire::unpack<wire::NeedSets>(*need)->package_set_hashes.front(), report.package_set_hash);
  ASSERT_TRUE(link->acknowledged(link->send(wire::PackageSetUpload{report.package_set_hash, packages})));
  ASSERT_TRUE(link->acknowledged(link->send(wire::OfferSetUpload{report.offer_set_hash, offers})));
  EXPECT_TRUE(store_->read([&](store::Sql& sql) { return store::verdicts::newest(sql, enrolled.id); })->has_value());
  ASSERT_TRUE(link->acknowledged(link->send(report, id))) << "a message that comes again is acknowledged again";
}

TEST_F(GatewayTest, OrdersComeInOrderAndAgainUntilTaken) {
  const auto enrolled = enroll();
  std::vector<std::string> commands;
  for (int i = 0; i < 3; ++i) commands.push_back(give(enrolled));
  std::vector<std::string> first_seen;
  {
    const auto link = greet(enrolled);
    for (int i = 0; i < 3; ++i) {
      const auto order = link->next<wire::SignedOrder>();
      ASSERT_TRUE(order.has_value());
      first_seen.push_back(order->id);
    }
    link->close();
    link->wait_closed();
  }
  const auto link = greet(enrolled);
  std::uint64_t newest = 0;
  std::vector<wire::Envelope> messages;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto message = link->next<wire::SignedOrder>();
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(message->id, first_seen[i]);
    messages.push_back(*message);
  }
  for (const auto& message : messages) {
    const auto order = wire::unpack<wire::SignedOrder>(message).value();
    EXPECT_TRUE(io::ed25519_verify(authority_.order_public_key, order.payload, *from_base64(order.signature)));
    const auto content = json::decode_text<wire::Order>(order.payload).value();
    EXPECT_GT(content.counter, newest);
    newest = content.counter;
    link->send(wire::Ack{{message.id}});
    wire::OrderResult result;
    result.order_id = content.order_id;
    result.outcome = wire::OrderOutcome::success;
    result.exit_code = 0;
    result.steps = fakes::steps_done(*content.steps, "");
    ASSERT_TRUE(link->acknowledged(link->send(result)));
  }
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  const auto done = [&](const std::string& id) {
    return store_->read([&](store::Sql& sql) { return store::commands::get(sql, id); })->status == "Success";
  };
  while (!std::ranges::all_of(commands, done) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(std::ranges::all_of(commands, done));
}

TEST_F(GatewayTest, AnOrderTakenLongAgoIsToldToStopOnce) {
  const auto enrolled = enroll();
  const auto cancel_once_taken = [&](const std::string& command, const std::string& order_id) {
    const auto taken = [&] {
      const auto order = store_->read([&](store::Sql& sql) { return store::orders::get(sql, order_id); });
      return order.ok() && order->state == store::orders::State::acknowledged;
    };
    for (const auto end = std::chrono::steady_clock::now() + kPatience; !taken();)
      if (std::chrono::steady_clock::now() > end) return ADD_FAILURE() << "not taken", void();
    EXPECT_TRUE(commands_->cancel(command, {}, "test").ok());
    engine_->poke();
  };
  auto command = give(enrolled);
  const auto link = greet(enrolled);
  auto order_id = link->next<wire::SignedOrder>()->id;
  link->send(wire::Ack{{order_id}});
  cancel_once_taken(command, order_id);
  const auto stop = link->next<wire::CancelOrder>();
  ASSERT_TRUE(stop.has_value());
  EXPECT_EQ(wire::unpack<wire::CancelOrder>(*stop)->order_id, order_id);
  command = give(enrolled);
  order_id = link->next<wire::SignedOrder>()->id;  // the gateway has looked again
  EXPECT_NE(gateway_->metrics().find("belay_cancels_sent_total 1\n"), std::string::npos) << "over one link";
  link->close();
  link->wait_closed();

  const auto poll = [&](std::vector<wire::Envelope> messages) {
    const auto said = post("/agent/v1/exchange", json::encode_text(wire::Exchange{std::move(messages)}), &enrolled);
    return json::decode_text<wire::Exchange>(said.body).value().messages;
  };
  poll({wire::pack(new_id(), wire::Hello{"0.1.0", "boot", "nonce", "", facts()})});
  poll({});
  std::thread later([&] { cancel_once_taken(command, order_id); });
  auto said = poll({wire::pack(new_id(), wire::Ack{{order_id}})});
  later.join();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].type, "cancel_order");
  std::thread another([&] { give(enrolled); });
  said = poll({});
  another.join();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0].type, "signed_order") << "not what the last poll said already";
}

TEST_F(GatewayTest, WhoHasNoGoodCertificateStaysOutside) {
  Enrolled stranger;
  stranger.key_pem = io::make_key_pem();
  io::LeafSpec spec;
  spec.common_name = "mi-0123456789abcdef0";
  spec.not_before = clock_.now() - Duration(60'000);
  spec.lifetime = Duration(1LL << 32);
  stranger.certificate_pem = io::sign_csr(authority_.ca, io::make_csr(stranger.key_pem, "x").value(), spec).value();
  auto link = connect(stranger);  // the authority signed it, but nobody is registered under it
  if (link->wait_open()) link->send(wire::Hello{"0.1.0", "boot", "n", "", facts()});
  EXPECT_TRUE(link->wait_closed());
  EXPECT_EQ(post("/agent/v1/renew", "{}", &stranger).status, 401);
  EXPECT_EQ(post("/agent/v1/exchange", "{\"messages\":[]}", &stranger).status, 401);
  EXPECT_EQ(post("/agent/v1/renew", "{}").status, 401);
  EXPECT_EQ(post("/agent/v1/nothing", "{}").status, 404);
}

TEST_F(GatewayTest, RevocationClosesAtOnce) {
  const auto enrolled = enroll();
  const auto link = greet(enrolled);
  ASSERT_TRUE(nodes_->deregister(enrolled.id, "test").ok());
  EXPECT_TRUE(link->wait_closed());
  const auto again = connect(enrolled);
  if (again->wait_open()) again->send(wire::Hello{"0.1.0", "boot", "nonce", "", facts()});
  EXPECT_TRUE(again->wait_closed());
  EXPECT_EQ(post("/agent/v1/renew", "{}", &enrolled).status, 401);
}

TEST_F(GatewayTest, RenewsItsCertificate) {
  auto enrolled = enroll();
  const auto response = post(
      "/agent/v1/renew", json::encode_text(wire::RenewRequest{io::make_csr(enrolled.key_pem, "x").value()}), &enrolled);
  ASSERT_EQ(response.status, 200) << response.body;
  enrolled.certificate_pem = json::decode_text<wire::RenewReply>(response.body)->certificate_pem;
  EXPECT_EQ(io::read_certificate(enrolled.certificate_pem)->common_name, enrolled.id);
  greet(enrolled);
}

TEST_F(GatewayTest, AClonedIdentityIsSeenAndGetsNoOrders) {
  const auto enrolled = enroll();
  const auto first = greet(enrolled, "machine A");
  const auto second = greet(enrolled, "machine B");  // may be a restart: no suspicion yet
  EXPECT_TRUE(first->wait_closed()) << "the newest connection stands";
  EXPECT_FALSE(node(enrolled.id).clone_seen_at.has_value());
  const auto third = greet(enrolled, "machine A");  // it is alive as well
  EXPECT_TRUE(node(enrolled.id).clone_seen_at.has_value());
  give(enrolled);
  const auto held_back = [&] {
    return gateway_->metrics().find("belay_orders_held_back_total 0") == std::string::npos;
  };
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!held_back() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(held_back());
  ASSERT_TRUE(nodes_->settle_clone(enrolled.id, "test").ok());
  EXPECT_TRUE(third->next<wire::SignedOrder>().has_value()) << "after an operator settled it";
}

TEST_F(GatewayTest, HostileMessagesAreRefusedAndTheLinkGoesOn) {
  const auto enrolled = enroll();
  const auto link = greet(enrolled);
  wire::PackageSetUpload wrong;
  wrong.hash = std::string(64, 'a');
  wrong.set.packages = {{"bash", "amd64", "5"}};
  link->send(wrong, "m1");
  auto refused = link->next<wire::Refused>();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(wire::unpack<wire::Refused>(*refused)->id, "m1");
  wrong.set.packages.assign(60'000, {"a", "b", "c"});
  link->send(wrong, "m2");
  refused = link->next<wire::Refused>();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(wire::unpack<wire::Refused>(*refused)->id, "m2");
  wire::OrderResult result;
  result.order_id = new_id();
  link->send(result, "m3");
  refused = link->next<wire::Refused>();
  ASSERT_TRUE(refused.has_value()) << "an order nobody gave";
  EXPECT_TRUE(link->acknowledged(link->send(wire::FactsReport{facts()})));
  link->send_text("not json at all");
  EXPECT_TRUE(link->wait_closed());
}

TEST_F(GatewayTest, ThePollSaysWhatTheLinkSays) {
  const auto enrolled = enroll();
  wire::Exchange hello;
  hello.messages.push_back(wire::pack(new_id(), wire::Hello{"0.1.0", "boot", "nonce", "", facts()}));
  auto response = post("/agent/v1/exchange", json::encode_text(hello), &enrolled);
  ASSERT_EQ(response.status, 200) << response.body;
  auto reply = json::decode_text<wire::Exchange>(response.body).value();
  ASSERT_FALSE(reply.messages.empty());
  EXPECT_EQ(reply.messages[0].type, "welcome");
  std::thread later([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    give(enrolled);
  });
  response = post("/agent/v1/exchange", "{\"messages\":[]}", &enrolled);
  later.join();
  ASSERT_EQ(response.status, 200);
  reply = json::decode_text<wire::Exchange>(response.body).value();
  ASSERT_EQ(reply.messages.size(), 1U);
  EXPECT_EQ(reply.messages[0].type, "signed_order");
}

TEST_F(GatewayTest, WrongCodesAreSlowedDown) {
  const wire::EnrollRequest request{new_id(), "wrong", io::make_csr(io::make_key_pem(), "x").value(), "0.1.0", facts()};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(post("/agent/v1/enroll", json::encode_text(request)).status, 401);
  int status = 401;
  for (int i = 0; i < 20 && status == 401; ++i) status = post("/agent/v1/enroll", json::encode_text(request)).status;
  EXPECT_EQ(status, 429);
  EXPECT_EQ(store_->read([](store::Sql& sql) { return store::nodes::count(sql, {}); }).value(), 0);
}

}  // namespace
}  // namespace belay::server
