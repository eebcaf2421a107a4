#include "server/engine/fixture_test.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "io/crypto.hpp"
#include "store/orders.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace belay::server {
namespace {

store::Seams plain_seams() {
  store::Seams seams;
  seams.sha256_hex = [](std::string_view bytes) { return io::sha256_hex(bytes); };
  seams.seal = [](std::string_view bytes) { return std::string(bytes); };
  seams.unseal = [](std::string_view bytes) -> Result<std::string> { return std::string(bytes); };
  return seams;
}

fleet::NodeFacts debian(const std::string& name, const std::string& version) {
  fleet::NodeFacts facts;
  facts.computer_name = name;
  facts.os_id = "debian";
  facts.os_version = version;
  facts.os_name = "Debian GNU/Linux " + version;
  facts.boot_id = "boot-1";
  return facts;
}

}  // namespace

EngineTest::EngineTest() {
  folder_ = (std::filesystem::temp_directory_path() / ("belay-engine-" + new_id())).string();
  std::filesystem::create_directory(folder_);
  auto opened = store::sqlite::open(folder_ + "/belay.db", plain_seams());
  BELAY_ASSERT(opened.ok());
  disk_ = std::move(*opened);
  store_ = std::make_unique<fakes::MortalStore>(*disk_);
  const auto keys = io::make_signing_key();
  authority_.order_private_key = keys.private_key;
  authority_.order_public_key = keys.public_key;
  auto ca = io::make_ca("Test CA", clock_.now() - Duration(1'000), Duration(1'000'000'000));
  BELAY_ASSERT(ca.ok());
  authority_.ca = *ca;
  BELAY_ASSERT(install_predefined_baselines(*store_, clock_.now()).ok());
  boot();
}

EngineTest::~EngineTest() {
  engine_.reset();
  store_.reset();
  disk_.reset();
  std::filesystem::remove_all(folder_);
}

std::string EngineTest::new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

void EngineTest::boot() {
  engine_.reset();
  judge_ = std::make_unique<Judge>(*store_, clock_);
  commands_ = std::make_unique<Commands>(*store_, clock_);
  change_sets_ = std::make_unique<ChangeSets>(*store_, clock_, *judge_);
  nodes_ = std::make_unique<NodeRegistry>(*store_, clock_, authority_);
  intake_ = std::make_unique<Intake>(*judge_);
  EngineSettings settings;
  settings.owner = "server " + std::to_string(++boots_);
  engine_ = std::make_unique<Engine>(*store_, clock_, settings);
  engine_->add(make_command_kind(authority_, *judge_));
  engine_->add(make_change_set_kind(authority_, fills_pool_));
}

FakeNode& EngineTest::add_node(const std::string& name, const std::string& version,
                               std::vector<store::tags::Tag> tags) {
  store::activations::Activation wanted;
  wanted.default_instance_name = name;
  wanted.tags = std::move(tags);
  wanted.created_by = "test";
  const auto activation = nodes_->create_activation(wanted);
  BELAY_ASSERT(activation.ok());
  const auto csr = io::make_csr(io::make_key_pem(), "node");
  BELAY_ASSERT(csr.ok());
  const auto enrolled = nodes_->enroll(
      {activation->activation.activation_id, activation->code, *csr, "0.1.0", debian(name, version)}, "10.0.0.1");
  BELAY_ASSERT(enrolled.ok());
  auto& node = fleet_[enrolled->node_id];
  node.id = enrolled->node_id;
  return node;
}

fleet::Offer EngineTest::offer(const std::string& name, const std::string& version, bool security) {
  fleet::Offer offer;
  offer.name = name;
  offer.arch = "amd64";
  offer.version = version;
  offer.origin = "Debian";
  offer.label = security ? "Debian-Security" : "Debian";
  offer.suite = security ? "oldstable-security" : "oldstable";
  offer.codename = security ? "bookworm-security" : "bookworm";
  offer.component = "main";
  offer.section = "libs";
  offer.priority = "optional";
  offer.sha256 = io::sha256_hex(name + version);
  offer.security = security;
  return offer;
}

FakeNode& EngineTest::with_openssl(FakeNode& node) {
  node.installed = {{"bash", "amd64", "5"}, {"openssl", "amd64", "1"}};
  node.offers = {offer("bash", "5", false), offer("openssl", "1", false), offer("openssl", "2")};
  return node;
}

Result<Taken> EngineTest::say(FakeNode& node, const wire::Envelope& message) {
  BELAY_TRY(intake_->check(message));
  const auto once = [&] {
    return store_->write([&](store::Sql& sql) { return intake_->take(sql, node.id, message, clock_.now()); });
  };
  auto taken = once();
  if (say_twice_ && taken.ok()) {
    const auto again = once();
    EXPECT_TRUE(again.ok() && again->acknowledge == taken->acknowledge);
  }
  return taken;
}

void EngineTest::scan(FakeNode& node, const std::string& order_id) {
  fleet::PackageSet packages{fleet::PackageFormat::deb, node.installed};
  fleet::OfferSet offers{fleet::PackageFormat::deb, node.offers};
  wire::ScanReport report;
  // Of two scans at one moment the greater id is the newer one: random ones would let an old scan win now and then.
  char place[9];
  std::snprintf(place, sizeof place, "%08x", ++scans_);
  report.scan_id = new_id().replace(0, 8, place);
  report.order_id = order_id;
  report.observed_at = clock_.now();
  report.package_set_hash = io::sha256_hex(wire::canonical_text(packages));
  report.offer_set_hash = io::sha256_hex(wire::canonical_text(offers));
  report.packages = static_cast<std::uint32_t>(packages.packages.size());
  report.offers = static_cast<std::uint32_t>(offers.offers.size());
  report.held = node.held;
  report.problems = node.scan_problems;
  report.facts = debian("host", "12");
  const auto taken = say(node, report);
  ASSERT_TRUE(taken.ok()) << taken.error().chain();
  if (!taken->need.package_set_hashes.empty())
    ASSERT_TRUE(say(node, wire::PackageSetUpload{report.package_set_hash, packages}).ok());
  if (!taken->need.offer_set_hashes.empty())
    ASSERT_TRUE(say(node, wire::OfferSetUpload{report.offer_set_hash, offers}).ok());
}

void EngineTest::work_on(FakeNode& node, const wire::Order& order) {
  clock_.advance(Duration(1'000));
  wire::OrderResult result;
  result.order_id = order.order_id;
  result.outcome = wire::OrderOutcome::success;
  result.exit_code = 0;
  result.started_at = result.finished_at = clock_.now();
  switch (order.kind) {
    case wire::OrderKind::scan: scan(node, order.order_id); break;
    case wire::OrderKind::steps: {
      result.steps = fakes::steps_done(*order.steps, node.says, node.failing_steps, clock_.now());
      const auto summary = document::summarize(order.steps->steps, result.steps->run);
      result.exit_code = summary.exit_code;
      if (summary.status == document::StepStatus::Failed) result.outcome = wire::OrderOutcome::failed;
      break;
    }
    case wire::OrderKind::associations: node.kept = *order.associations; break;
    case wire::OrderKind::backup:
      if (node.does_backups) result.backup = node.does_backups(*order.backup);
      if (!result.backup || result.backup->outcome != backup::JobOutcome::ok)
        result.outcome = wire::OrderOutcome::failed;
      break;
    case wire::OrderKind::plan:
      result.problems = node.plan_problems;
      if (!node.plan_problems.empty()) result.outcome = wire::OrderOutcome::failed;
      result.plan.emplace();
      result.plan->changes = order.plan->changes;
      result.plan->changes.insert(result.plan->changes.end(), node.pulls_in.begin(), node.pulls_in.end());
      break;
    case wire::OrderKind::patch:
      if (node.does_patches) {
        result.run = node.does_patches(order);
        if (result.run->outcome != patchrun::Outcome::committed) result.outcome = wire::OrderOutcome::failed;
        break;
      }
      result.run.emplace();
      result.run->run_id = order.order_id;
      result.run->undoes = order.patch->undoes;
      result.run->outcome = node.patch_outcome;
      result.run->reboot_pending = node.reboot_pending;
      if (node.patch_outcome != patchrun::Outcome::committed) {
        result.outcome = wire::OrderOutcome::failed;
        result.run->problems =
            result.problems = {{fleet::Reason::script_failed, "openssl", "postinst ended with 1", "", false}};
        break;
      }
      result.run->changed = order.patch->changes;
      for (const auto& change : order.patch->changes) {
        std::erase_if(node.installed,
                      [&](const auto& package) { return package.name == change.name && package.arch == change.arch; });
        node.installed.push_back({change.name, change.arch, change.to_version});
      }
      std::ranges::sort(node.installed);
      break;
  }
  ASSERT_TRUE(say(node, result).ok());
}

std::size_t EngineTest::nodes_work() {
  std::size_t worked = 0;
  for (auto& [id, node] : fleet_) {
    if (!node.answers) continue;
    const auto orders =
        disk_->read([&](store::Sql& sql) { return store::orders::pending(sql, node.id, clock_.now()); });
    EXPECT_TRUE(orders.ok());
    for (const auto& sent : *orders) {
      EXPECT_TRUE(io::ed25519_verify(authority_.order_public_key, sent.payload, *from_base64(sent.signature)));
      const auto order = json::decode_text<wire::Order>(sent.payload);
      EXPECT_TRUE(order.ok() && order->node_id == node.id);
      const bool first = node.seen.insert(sent.order_id).second;
      if (first) {
        EXPECT_GT(order->counter, node.newest_counter);
        node.newest_counter = order->counter;
        if (order->kind != wire::OrderKind::associations) node.done.push_back(*order);
        node.unfinished.push_back(*order);  // in its journal before it acknowledges
      }
      EXPECT_TRUE(say(node, wire::Ack{{sent.order_id}}).ok());
      if (!first) continue;
      work_on(node, *order);
      node.unfinished.pop_back();
      ++worked;
    }
  }
  return worked;
}

void EngineTest::recover() {
  for (auto& [id, node] : fleet_)
    while (!node.unfinished.empty()) {
      work_on(node, node.unfinished.back());
      node.unfinished.pop_back();
    }
}

bool EngineTest::advance_engine() {
  const auto advanced = engine_->run_once();
  EXPECT_TRUE(advanced.ok());
  return advanced.ok() && *advanced > 0;
}

void EngineTest::settle() {
  for (int round = 0; round < 200; ++round) {
    const bool engine = advance_engine();
    const bool nodes = nodes_work() > 0;
    if (!engine && !nodes) return;
  }
  FAIL() << "it never comes to rest";
}

Judgement EngineTest::judged(const std::string& node_id) {
  JudgeQuestion question;
  question.node_id = node_id;
  auto judgement = judge_->judge(question);
  EXPECT_TRUE(judgement.ok()) << (judgement.ok() ? "" : judgement.error().chain());
  return judgement.ok() ? *judgement : Judgement();
}

store::commands::Command EngineTest::send(std::map<std::string, std::vector<std::string>> parameters,
                                          std::string document, std::string max_errors) {
  SendCommandRequest request;
  request.document_name = std::move(document);
  request.parameters = std::move(parameters);
  request.targets = {{"InstanceIds", {"*"}}};
  request.max_errors = std::move(max_errors);
  request.requested_by = "test";
  auto sent = commands_->send(request);
  EXPECT_TRUE(sent.ok()) << (sent.ok() ? "" : sent.error().chain());
  return sent.ok() ? *sent : store::commands::Command();
}

store::commands::Command EngineTest::command(const std::string& id) {
  return disk_->read([&](store::Sql& sql) { return store::commands::get(sql, id); }).value();
}

store::commands::Invocation EngineTest::invocation(const std::string& command_id, const FakeNode& node) {
  return disk_->read([&](store::Sql& sql) { return store::commands::get_invocation(sql, command_id, node.id); })
      .value();
}

}  // namespace belay::server
