#pragma once
// A server's engine in this process over a real store (SQLite, a fresh file), a clock moved by hand, and nodes that
// speak to it through the intake as the gateway would let them. Every message may be said twice, every write may be the
// last.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "server/engine/change_set_plan.hpp"
#include "server/engine/command_kind.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/intake.hpp"
#include "server/engine/services.hpp"
#include "tests/fakes/killed.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/mortal_store.hpp"
#include "tests/fakes/steps_done.hpp"
#include "wire/codec.hpp"

namespace belay::server {

// What a host has, and how its package manager behaves.
struct FakeNode {
  std::string id;
  std::vector<fleet::InstalledPackage> installed;
  std::vector<fleet::Offer> offers;
  std::vector<fleet::PackageChange> pulls_in;  // new dependencies of any upgrade
  std::set<std::string> failing_steps{};       // names of steps that exit with 3
  std::vector<std::string> held;
  std::vector<fleet::Problem> scan_problems, plan_problems;
  patchrun::Outcome patch_outcome = patchrun::Outcome::committed;
  bool reboot_pending = false, answers = true;
  wire::AssociationsOrder kept{};  // for when it is cut off
  std::uint64_t newest_counter = 0;
  std::vector<wire::Order> done;  // orders worked on, each once
  std::set<std::string> seen;
  std::function<backup::JobReport(const backup::Job&)> does_backups{};
  std::vector<wire::Order> unfinished;  // its journal: taken, and no result said yet
  std::function<patchrun::PatchRunReport(const wire::Order&)> does_patches{};  // in place of what it does else
  std::string says = "hello\n";                                                // every step of a document
};

class EngineTest : public testing::Test {
 protected:
  EngineTest();
  ~EngineTest() override;

  void boot();  // the server's parts anew, as after a kill
  FakeNode& add_node(const std::string& name, const std::string& version = "12",
                     std::vector<store::tags::Tag> tags = {});
  static fleet::Offer offer(const std::string& name, const std::string& version, bool security = true);
  static FakeNode& with_openssl(FakeNode& node);  // openssl 1 installed, 2 on offer as a security update

  Result<Taken> say(FakeNode& node, const wire::Envelope& message);
  template <typename Message>
  Result<Taken> say(FakeNode& node, const Message& message) {
    return say(node, wire::pack(new_id(), message));
  }
  static std::string new_id();
  void scan(FakeNode& node, const std::string& order_id = "");
  // Every node takes its orders and works on them, once.
  std::size_t nodes_work();
  void recover();  // after a kill of the server: what was cut off is done again
  void work_on(FakeNode& node, const wire::Order& order);
  // Engine and nodes in turn until nothing moves any more.
  void settle();
  bool advance_engine();

  Judgement judged(const std::string& node_id);
  store::commands::Command send(std::map<std::string, std::vector<std::string>> parameters,
                                std::string document = "AWS-RunPatchBaseline", std::string max_errors = "0");
  store::commands::Command command(const std::string& id);
  store::commands::Invocation invocation(const std::string& command_id, const FakeNode& node);

  fakes::ManualClock clock_;
  std::string folder_;
  std::unique_ptr<store::Store> disk_;
  std::unique_ptr<fakes::MortalStore> store_;
  Authority authority_;
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<Commands> commands_;
  std::unique_ptr<ChangeSets> change_sets_;
  std::unique_ptr<NodeRegistry> nodes_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Engine> engine_;
  std::map<std::string, FakeNode> fleet_;
  bool say_twice_ = false;
  bool fills_pool_ = false;  // before boot()
  int boots_ = 0;
  unsigned scans_ = 0;
};

}  // namespace belay::server
