#include "server/api/fixture_test.hpp"

#include <unistd.h>

#include <filesystem>

#include "base/ids.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "io/sigv4.hpp"
#include "io/zone_files.hpp"
#include "server/api/errors.hpp"
#include "store/audit.hpp"
#include "store/contents.hpp"
#include "store/principals.hpp"
#include "store/sqlite/sqlite_store.hpp"
#include "wire/codec.hpp"

namespace belay::server {
namespace {

store::Seams plain_seams() {
  store::Seams seams;
  seams.sha256_hex = [](std::string_view bytes) { return io::sha256_hex(bytes); };
  seams.seal = [](std::string_view bytes) { return io::hmac_sha256("test", bytes) + std::string(bytes); };
  seams.unseal = [](std::string_view bytes) -> Result<std::string> {
    if (bytes.size() < 32 || io::hmac_sha256("test", bytes.substr(32)) != bytes.substr(0, 32))
      return Error(Code::corrupt, "not sealed here");
    return std::string(bytes.substr(32));
  };
  return seams;
}

std::string amz_date(Instant at) {
  std::string out;
  for (const char c : to_iso8601(std::chrono::floor<std::chrono::seconds>(at)))
    if (c != '-' && c != ':') out += c;
  return out;
}

template <typename T>
void expect_ok(const T& result, const char* what) {
  EXPECT_TRUE(result.ok()) << what << ": " << result.error().chain();
}

}  // namespace

json::Array Answer::list(std::string_view member) const {
  const auto* value = json::find(body, member);
  return value && value->is_array() ? value->get_array() : json::Array();
}

ApiTest::ApiTest() {
  folder_ =
      (std::filesystem::temp_directory_path() / ("belay-api-" + make_uuid(io::random_bytes(kIdRandomBytes)))).string();
  std::filesystem::create_directory(folder_);
  auto opened = store::sqlite::open(folder_ + "/belay.db", plain_seams());
  BELAY_ASSERT(opened.ok());
  store_ = std::move(*opened);
  expect_ok(install_predefined_baselines(*store_, clock_.now()), "predefined baselines");
  add_principal("admin", {"*"}, kToken);
  expect_ok(store_->write([&](store::Sql& sql) {
    return store::principals::add_access_key(sql, {kKeyId, "admin", true, clock_.now(), kSecret});
  }),
            "access key");
  judge_ = std::make_unique<Judge>(*store_, clock_);
  commands_ = std::make_unique<Commands>(*store_, clock_);
  change_sets_ = std::make_unique<ChangeSets>(*store_, clock_, *judge_);
  nodes_ = std::make_unique<NodeRegistry>(*store_, clock_, authority_);
  zones_ =
      std::make_unique<Zones>(clock_, [](std::string_view name) { return io::read_zone_file(io::real_files(), name); });
  windows_ = std::make_unique<Windows>(*store_, clock_, *zones_);
  rollouts_ = std::make_unique<Rollouts>(*store_, clock_, authority_, *judge_, *change_sets_, *windows_);
  workers_ = std::make_unique<io::WorkerPool>(2, 64);
  api_ = std::make_unique<Api>(
      Services{*store_, clock_, *judge_, *commands_, *change_sets_, *nodes_, *windows_, *rollouts_}, *workers_);
}

ApiTest::~ApiTest() {
  api_.reset();
  workers_.reset();
  judge_.reset();
  store_.reset();
  std::filesystem::remove_all(folder_);
}

Answer ApiTest::send(const io::HttpRequest& request) {
  const auto response = api_->answer(request);
  Answer answer;
  answer.status = response.status;
  auto body = json::parse(response.body, {.bytes_max = 64 << 20});
  EXPECT_TRUE(body.ok()) << response.body.substr(0, 500);
  if (body.ok()) answer.body = std::move(*body);
  EXPECT_FALSE(response.headers.get("x-amzn-RequestId").empty() && request.method == "POST");
  if (response.status == 200) return answer;
  answer.type = json::text_or_empty(answer.body, "__type");
  answer.message = json::text_or_empty(answer.body, "message");
  // Whatever a test asks: no operation answers with an exception that its model does not have.
  const std::string target = request.target == "/" ? std::string(request.headers.get("x-amz-target")) : request.target;
  if (const auto* operation = shapes::model().operation(target.substr(target.find_last_of("./") + 1)))
    EXPECT_TRUE(may_answer(*operation, answer.type))
        << operation->name << ": " << answer.type << ": " << answer.message;
  return answer;
}

Answer ApiTest::call_text(std::string_view operation, std::string body, std::string_view token) {
  io::HttpRequest request;
  request.method = "POST";
  request.target = "/api/" + std::string(operation);
  request.headers.set("Host", "belay.example.org:8443");
  if (!token.empty()) request.headers.set("Authorization", "Bearer " + std::string(token));
  request.body = std::move(body);
  request.encrypted = true;
  return send(request);
}

Answer ApiTest::call(std::string_view operation, const json::Value& request, std::string_view token) {
  return call_text(operation, json::to_text(request), token);
}

Answer ApiTest::ok(std::string_view operation, const json::Value& request) {
  auto answer = call(operation, request);
  EXPECT_EQ(answer.status, 200) << operation << " " << json::to_text(request) << ": " << answer.type << ": "
                                << answer.message;
  return answer;
}

std::string ApiTest::expect_error(std::string_view type, std::string_view operation, const json::Value& request) {
  const auto answer = call(operation, request);
  EXPECT_EQ(answer.type, type) << operation << " " << json::to_text(request) << ": " << answer.message;
  return answer.message;
}

io::HttpRequest ApiTest::signed_request(std::string_view operation, std::string body, std::string_view secret) {
  io::HttpRequest request;
  request.method = "POST";
  request.target = "/";
  request.body = std::move(body);
  request.headers.set("Host", "127.0.0.1:8443");
  request.headers.set("Content-Type", "application/x-amz-json-1.1");
  request.headers.set("X-Amz-Date", amz_date(clock_.now()));
  request.headers.set("X-Amz-Target", "AmazonSSM." + std::string(operation));
  const std::vector<std::string> names = {"content-type", "host", "x-amz-date", "x-amz-target"};
  const io::sigv4::Scope scope{amz_date(clock_.now()).substr(0, 8), "us-east-1", "ssm"};
  const auto canonical = io::sigv4::canonical_request(request, names, io::sha256_hex(request.body));
  const auto signature =
      io::sigv4::signature(secret, scope, io::sigv4::string_to_sign(amz_date(clock_.now()), scope, canonical));
  request.headers.set("Authorization", "AWS4-HMAC-SHA256 Credential=" + std::string(kKeyId) + "/" + scope.text() +
                                           ", SignedHeaders=" + join(names, ";") + ", Signature=" + signature);
  return request;
}

void ApiTest::add_principal(const std::string& name, std::vector<std::string> permissions, const std::string& token) {
  expect_ok(store_->write([&](store::Sql& sql) -> Status {
    BELAY_TRY(store::principals::create(sql, {name, permissions, true, clock_.now()}));
    return store::principals::add_bearer(sql, {store::principals::BearerKind::token, name, "test", clock_.now(), {}},
                                         token);
  }),
            "principal");
}

void ApiTest::add_node(const std::string& node_id, const std::string& name, const std::string& os_version) {
  store::nodes::Node node;
  node.node_id = node_id;
  node.name = name;
  node.operating_system = "DEBIAN";
  node.agent_version = BELAY_VERSION;
  node.registered_at = clock_.now();
  node.last_seen_at = clock_.now();
  node.address = "192.0.2.7";
  node.facts.computer_name = name + ".example.org";
  node.facts.os_id = "debian";
  node.facts.os_version = os_version;
  node.facts.os_name = "Debian GNU/Linux " + os_version + " (bookworm)";
  node.facts.boot_id = "boot";
  expect_ok(store_->write([&](store::Sql& sql) { return store::nodes::create(sql, node); }), "node");
}

void ApiTest::add_scan(const std::string& node_id, const fleet::PackageSet& packages, const fleet::OfferSet& offers,
                       std::vector<fleet::Problem> problems) {
  expect_ok(store_->write([&](store::Sql& sql) -> Status {
    store::scans::Scan scan;
    scan.scan_id = make_uuid(io::random_bytes(kIdRandomBytes));
    scan.node_id = node_id;
    scan.observed_at = scan.received_at = clock_.now();
    using store::contents::Kind;
    BELAY_TRY_ASSIGN(scan.package_set_hash,
                     store::contents::put(sql, Kind::package_set, wire::canonical_text(packages), clock_.now()));
    BELAY_TRY_ASSIGN(scan.offer_set_hash,
                     store::contents::put(sql, Kind::offer_set, wire::canonical_text(offers), clock_.now()));
    std::vector<store::contents::PackageVersion> versions;
    for (const auto& offer : offers.offers) versions.push_back({offer.name, offer.arch, offer.version});
    BELAY_TRY(store::contents::note_first_seen(sql, "DEBIAN", versions, clock_.now()));
    scan.packages = static_cast<std::uint32_t>(packages.packages.size());
    scan.offers = static_cast<std::uint32_t>(offers.offers.size());
    scan.problems = std::move(problems);
    const auto added = store::scans::add(sql, scan);
    return added.ok() ? Status() : added.error();
  }),
            "scan");
}

std::int64_t ApiTest::audit_entries() {
  const auto head = store_->read([](store::Sql& sql) { return store::audit::head(sql); });
  return head.ok() ? head->sequence : -1;
}

fleet::PackageSet debian_packages() {
  return {fleet::PackageFormat::deb, {{"openssl", "amd64", "3.0.1-1"}, {"vim", "amd64", "9.0-1"}}};
}

fleet::OfferSet debian_offers() {
  const auto offer = [](std::string name, std::string version, bool security) {
    fleet::Offer out;
    out.name = std::move(name);
    out.arch = "amd64";
    out.version = std::move(version);
    out.origin = "Debian";
    out.label = security ? "Debian-Security" : "Debian";
    out.suite = security ? "oldstable-security" : "oldstable";
    out.codename = security ? "bookworm-security" : "bookworm";
    out.component = "main";
    out.section = "utils";
    out.priority = "optional";
    out.sha256 = std::string(64, 'a');
    out.size_bytes = 1000;
    out.security = security;
    return out;
  };
  return {fleet::PackageFormat::deb,
          {offer("openssl", "3.0.1-1", false), offer("openssl", "3.0.2-1", true), offer("vim", "9.0-1", false),
           offer("vim", "9.1-1", false)}};
}

}  // namespace belay::server
