#pragma once
// The real agent's desk, order book, outbox and patch runs on one simulated host. What agent/runner/agent.cpp does with
// its loop and its link stands here in the simulation's time.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/runner/order_desk.hpp"
#include "agent/runner/set_store.hpp"
#include "tests/sim/machine.hpp"
#include "tests/sim/pool.hpp"

namespace belay::sim {

class World;

// What one order really did to the host, for the checkers.
struct RunRecord {
  wire::Order order;
  std::map<std::string, std::string> before, after;
  Duration begun{};
  std::optional<Duration> ended;
  std::optional<Duration> changed_at;  // the first byte moved
  std::optional<wire::OrderResult> result;
  std::optional<patchrun::State> stopped_in;  // where the run stood when the agent was told to stop it
  bool left = false;                          // its journal has ended: `after` stands
};

class Node {
 public:
  Node(World& world, std::size_t index, const NodePlan& plan, const std::string& folder);

  void start();  // boots for the first time
  void hear(const std::string& text);
  void link_broken();
  // Faults from outside.
  void lose_power(Duration away);
  void jump_clock(Duration by);
  void fill_disk(Duration for_how_long);
  void heal();  // no fault any more; a host that never comes back stays away

  bool is_away() const { return !up_; }
  bool never_comes_back() const { return gone_; }
  bool is_idle() const { return up_ && desk_ && desk_->is_idle() && outbox_->size() == 0; }
  bool may_be_busy(Duration at) const { return machine.elapsed() > at; }
  const std::map<std::string, RunRecord>& runs();
  const std::map<std::string, Duration>& acknowledged() const { return acknowledged_; }
  bool knows(const std::string& order_id) const;

  Machine machine;
  bool clock_was_wrong = false;
  bool removed = false;  // from the fleet

 private:
  class InlineLauncher final : public agent::Launcher {
   public:
    explicit InlineLauncher(Node& node) : node_(node) {}
    Status launch(const std::string& order_id, wire::OrderKind kind) override { return node_.work_on(order_id, kind); }

   private:
    Node& node_;
  };

  // Runs at that time, or once the host is done with what it is at; not where it died meanwhile.
  void at(Duration when, std::function<void()> run);
  void act(const std::function<void()>& run);
  void die();
  void boot();
  void go_away(Duration away);
  Duration time_of_reboot();

  void open_agent();
  void dial();
  void beat();
  void receive(const wire::Envelope& message);
  void hear_amid_run(const wire::Envelope& message);
  Status act_on(const wire::Envelope& message);
  void welcomed(const wire::Welcome& words);
  void refused(const wire::Refused& words);
  Status upload(const wire::NeedSets& wanted);
  bool send(const wire::Envelope& message);
  void pump();
  void tick();

  Status work_on(const std::string& order_id, wire::OrderKind kind);
  void plan_trouble();
  void note_begin(const std::string& order_id);
  void note_end(const std::string& order_id);
  void note_versions(const std::string& order_id);
  void tell_progress();
  void about_to_install();

  World& world_;
  const std::size_t index_;
  agent::StatePaths paths_;
  Pool pool_;
  InlineLauncher launcher_{*this};
  std::unique_ptr<agent::OrderVerifier> verifier_;
  std::unique_ptr<agent::Outbox> outbox_;
  std::unique_ptr<agent::OrderDesk> desk_;
  bool up_ = false, gone_ = false, linked_ = false, ticking_ = false;
  std::uint64_t life_ = 0;  // of the agent: what an earlier one planned does not happen
  std::uint64_t pumped_ = 0;
  std::uint64_t told_ = 0;
  std::string told_state_;
  Duration skew_{};
  std::string nonce_, facts_told_;
  std::string working_on_;
  bool watched_ = false;  // in the middle of a run that the rest of the world goes on beside
  std::map<std::string, RunRecord> runs_;
  std::map<std::string, Duration> acknowledged_;
};

}  // namespace belay::sim
