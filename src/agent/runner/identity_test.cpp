// How an agent gets, keeps and loses its identity.
#include "agent/runner/agent_fixture_test.hpp"

namespace belay::agent {
namespace {

TEST_F(AgentTest, EnrolsOnceAndSaysSo) {
  TestServer server;
  EXPECT_EQ(enroll_at(server, "wrong").error().code(), Code::unauthenticated);
  const auto identity = enroll_at(server);
  ASSERT_TRUE(identity.ok()) << identity.error().chain();
  EXPECT_EQ(identity->node_id, kNode);
  EXPECT_EQ(io::real_files().read(paths_.root() + "/node-id", 100).value(), kNode + "\n");
  EXPECT_EQ(io::real_files().info(paths_.identity("identity.json"))->mode, 0600u);
  EXPECT_EQ(enroll_at(server).error().code(), Code::already_exists);
  EXPECT_EQ(server.enrolled, 1);
  EXPECT_TRUE(enroll_at(server, "right", true).ok());
}

TEST_F(AgentTest, DoesNotEnrolWithoutKnowingTheServer) {
  TestServer server;
  EnrolmentRequest request;
  request.server = server.url();
  request.activation_id = new_id();
  request.activation_code = "right";
  for (const auto& [fingerprint, told] : {std::pair{"", "--ca FILE or --ca-sha256 HEX"},
                                          {"00", "64 hexadecimal digits"},
                                          {"zz00", "64 hexadecimal digits"}}) {
    request.ca_sha256_hex = fingerprint;
    const auto refused = enroll(io::real_files(), paths_, request, io::system_clock().now());
    EXPECT_EQ(refused.error().code(), Code::invalid_argument);
    EXPECT_NE(refused.error().chain().find(told), std::string::npos) << refused.error().chain();
  }
  EXPECT_EQ(server.enrolled, 0);
}

TEST_F(AgentTest, EnrolsByTheAuthoritysFingerprintAndNotByAnother) {
  TestServer server;
  EnrolmentRequest request;
  request.server = server.url();
  request.activation_id = new_id();
  request.activation_code = "right";
  request.ca_sha256_hex = std::string(64, 'a');
  EXPECT_FALSE(enroll(io::real_files(), paths_, request, io::system_clock().now()).ok());
  EXPECT_EQ(server.enrolled, 0);
  request.ca_sha256_hex = io::read_certificate(server.ca_pem())->sha256_hex;
  const auto identity = enroll(io::real_files(), paths_, request, io::system_clock().now());
  EXPECT_TRUE(identity.ok()) << identity.error().chain();
}

// What the agent logs on standard error meanwhile.
std::string logged(const std::function<void()>& work) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

std::size_t times(std::string_view text, std::string_view word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

// However it hears of it: at the greeting, at the upgrade, or at the long poll.
TEST_F(AgentTest, ARemovedNodeSaysSoOnceKeepsItsReportsAndIsTakenBackWhenTheServerKnowsItAgain) {
  for (const auto& [websockets, at_upgrade] : {std::pair{true, false}, {true, true}, {false, false}}) {
    TestServer server(websockets);
    ASSERT_TRUE(enroll_at(server, "right", true).ok());
    server.removed = true;
    server.refuses_upgrades = at_upgrade;
    {
      auto outbox = Outbox::open(io::real_files(), paths_);
      ASSERT_TRUE(outbox.ok() && outbox->put(wire::pack(new_id(), wire::FactsReport{}), Outbox::Keep::always).ok());
    }
    const auto text = logged([&] {
      const TestAgent agent(directory_, paths_);
      for (int i = 0; i < 1200 && server.refused < 3; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      EXPECT_GE(server.refused, 3);
      server.removed = false;
      EXPECT_TRUE(server.wait_for<wire::FactsReport>());
    });
    EXPECT_EQ(times(text, "identity_refused"), 1u) << text;
    EXPECT_NE(text.find("enroll --force"), std::string::npos) << text;
  }
}

TEST_F(AgentTest, ARemovedNodeAsksSlowly) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  server.removed = true;
  auto backoff = TestAgent::kQuick;
  backoff.refused_base = backoff.refused_longest = std::chrono::hours(1);
  const TestAgent agent(directory_, paths_, backoff);
  for (int i = 0; i < 1200 && server.refused < 1; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  std::this_thread::sleep_for(std::chrono::milliseconds(1'500));  // at the pace of other failures, several more
  EXPECT_EQ(server.refused, 1);
}

TEST(Backoff, AfterARefusalItIsSlowBoundedAndSpread) {
  const BackoffSettings settings;
  for (std::uint32_t refusals = 1; refusals < 40; ++refusals) {
    EXPECT_GE(wait_after_refusal(settings, refusals, 0), settings.refused_base / 2);
    EXPECT_LE(wait_after_refusal(settings, refusals, ~0ULL), settings.refused_longest);
  }
  EXPECT_EQ(wait_after_refusal(settings, 40, 0), settings.refused_longest / 2);
  EXPECT_NE(wait_after_refusal(settings, 40, 12'345), wait_after_refusal(settings, 40, 54'321));
}

TEST_F(AgentTest, RenewsItsCertificateAtHalfItsLife) {
  TestServer server;
  server.certificate_life = std::chrono::seconds(10);  // issued 5 s ago: due now
  ASSERT_TRUE(enroll_at(server).ok());
  const auto before = load_identity(io::real_files(), paths_)->certificate_pem;
  server.certificate_life = std::chrono::hours(2);
  const TestAgent agent(directory_, paths_);
  for (int i = 0; i < 600 && server.renewed == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(server.renewed, 1);
  for (int i = 0; i < 600 && load_identity(io::real_files(), paths_)->certificate_pem == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(load_identity(io::real_files(), paths_)->certificate_pem, before);
}

TEST_F(AgentTest, MakesAFreshKeyWhereTheServerAsks) {
  TestServer server;
  ASSERT_TRUE(enroll_at(server).ok());
  const auto before = load_identity(io::real_files(), paths_)->key_pem;
  server.wants_renewal = true;
  const TestAgent agent(directory_, paths_);
  for (int i = 0; i < 600 && load_identity(io::real_files(), paths_)->key_pem == before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(load_identity(io::real_files(), paths_)->key_pem, before);
}

}  // namespace
}  // namespace belay::agent
