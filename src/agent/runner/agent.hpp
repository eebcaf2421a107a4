#pragma once
// The agent as a whole: its link, its desk, its outbox, its certificate. main gives it its parts and runs the loop.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "agent/runner/link.hpp"
#include "agent/runner/order_desk.hpp"
#include "agent/runner/set_store.hpp"

namespace belay::agent {

// All outlive the agent, and the workers end before the loop does.
struct AgentParts {
  io::EventLoop& loop;
  io::WorkerPool& workers;  // two threads or more: one may sit in a long poll
  io::Files& files;
  const Clock& clock;
  StatePaths paths;
  Launcher& launcher;
  std::function<fleet::NodeFacts()> collect_facts;  // may block
  LinkSettings link;
  // How the data of plans that ran here is guarded (agent/backup); may block for a minute. Empty: no backups.
  std::function<std::vector<backup::WatchReport>(const std::vector<backup::Watch>&)> watch_backups{};
  std::function<void()> restart{};  // begins anew as the program that lies at the agent's path by now
};

class Agent {
 public:
  // Reads the identity and what an earlier process left. conflict where another agent runs on this state.
  static Result<std::unique_ptr<Agent>> make(AgentParts parts);
  Agent(const Agent&) = delete;
  ~Agent() { *alive_ = false; }

  void start();
  // Closes the connection. Runs under way go on without us. The loop may be stopped afterwards.
  void stop();

 private:
  Agent(AgentParts parts, Identity identity, Outbox outbox, io::FileLock lock);
  void welcomed(const wire::Welcome& words);
  void received(const wire::Envelope& message);
  Status act_on(const wire::Envelope& message);
  void take_refusal(const wire::Refused& refused);
  Status upload(const wire::NeedSets& wanted);
  void pump();
  bool restart_wanted();
  void wake_desk();
  void watch_orders();
  void gather_facts(std::function<void()> then);
  void plan_renewal();
  void renew_certificate(bool fresh_key);
  void plan_scan(Duration every);
  void plan_own_runs();
  void await_backups();
  void watch_backups();
  void tell_watched(std::vector<backup::WatchReport> reports);
  void later(Duration delay, std::function<void()> task);
  void acknowledge(const std::string& id);

  AgentParts parts_;
  Identity identity_;
  Outbox outbox_;
  io::FileLock lock_;
  OrderVerifier verifier_;
  SetStore sets_;
  std::unique_ptr<OrderDesk> desk_;
  std::unique_ptr<Link> link_;
  fleet::NodeFacts facts_;
  std::string nonce_;
  Duration clock_skew_{};
  std::uint64_t pumped_ = 0;  // sequence of the newest message sent over this connection
  std::set<std::string> in_flight_;
  bool desk_awake_ = false;
  bool look_planned_ = false;  // for orders that others laid
  bool renewing_ = false;
  bool awaits_backups_ = false;  // their directory is watched
  bool watch_planned_ = false;   // for what backups guard
  bool watching_ = false;
  bool welcome_noted_ = false;
  struct Told {
    std::vector<backup::Finding> findings;
    Duration at{};
  };
  std::map<std::string, Told> watched_;   // by plan: what was told last
  std::optional<Duration> rescanned_at_;  // for sets that the server asked for and we no longer had
  std::uint64_t scan_plan_ = 0;           // the newest plan's number: older timers do nothing
  std::uint64_t own_runs_plan_ = 0;       // likewise
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace belay::agent
