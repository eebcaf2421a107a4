#pragma once
// An Api in this process: the real store (SQLite, a fresh file) and the real services, a clock that is moved by hand,
// an administrator with a token and an access key.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/json.hpp"
#include "core/fleet/package.hpp"
#include "server/api/api.hpp"
#include "tests/fakes/manual_clock.hpp"

namespace belay::server {

struct Answer {
  int status = 0;
  std::string type;  // "DoesNotExistException"; "" where it went well
  std::string message;
  json::Value body;
  json::Array list(std::string_view member) const;
  std::string text(std::string_view member) const { return json::text_or_empty(body, member); }
};

class ApiTest : public testing::Test {
 protected:
  static constexpr const char* kToken = "an-administrators-token-0123456789";
  static constexpr const char* kKeyId = "AKIDADMIN00000000001";
  static constexpr const char* kSecret = "the-secret-of-the-administrator";

  ApiTest();
  ~ApiTest() override;

  // POST /api/<operation> with the administrator's token, or another's.
  Answer call(std::string_view operation, const json::Value& request = json::Object(), std::string_view token = kToken);
  Answer call_text(std::string_view operation, std::string body, std::string_view token = kToken);
  // POST / signed with SigV4 at the clock's time.
  io::HttpRequest signed_request(std::string_view operation, std::string body, std::string_view secret = kSecret);
  Answer send(const io::HttpRequest& request);
  // The same, and fails the test where it is an error.
  Answer ok(std::string_view operation, const json::Value& request = json::Object());
  // Its message.
  std::string expect_error(std::string_view type, std::string_view operation, const json::Value& request);

  void add_principal(const std::string& name, std::vector<std::string> permissions, const std::string& token);
  void add_node(const std::string& node_id, const std::string& name, const std::string& os_version = "12");
  // The node's scan, observed now, with these sets.
  void add_scan(const std::string& node_id, const fleet::PackageSet& packages, const fleet::OfferSet& offers,
                std::vector<fleet::Problem> problems = {});
  std::int64_t audit_entries();

  fakes::ManualClock clock_;
  std::string folder_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<Commands> commands_;
  std::unique_ptr<ChangeSets> change_sets_;
  Authority authority_;
  std::unique_ptr<NodeRegistry> nodes_;
  std::unique_ptr<Zones> zones_;
  std::unique_ptr<Windows> windows_;
  std::unique_ptr<Rollouts> rollouts_;
  std::unique_ptr<io::WorkerPool> workers_;
  std::unique_ptr<Api> api_;
};

// openssl 3.0.1 installed, 3.0.2 on offer as a security update; vim 9.0 installed, 9.1 on offer, not security.
fleet::PackageSet debian_packages();
fleet::OfferSet debian_offers();

inline constexpr const char* kNode = "mi-0123456789abcdef0";

}  // namespace belay::server
