#pragma once
// Durable executions (docs/ARCHITECTURE.md, the first mechanism). One loop claims due rows under a lease; a kind loads
// what its decision needs, asks its pure machine, and writes state and effects in one transaction; only after that is
// anything carried out. Orders to nodes are rows of the store's outbox, which the gateway delivers at least once.
// Kill it anywhere: the row is due again when the lease is over.
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/time.hpp"
#include "server/engine/trouble.hpp"
#include "store/executions.hpp"
#include "store/store.hpp"

namespace belay::server {

class ExecutionKind {
 public:
  virtual ~ExecutionKind() = default;
  virtual std::string_view name() const = 0;

  struct Advance {
    std::string state;               // JSON text
    std::optional<Instant> wake_at;  // absent: sleeps until an event comes
    bool finished = false;
  };
  // Everything through `sql`; may be called again when the transaction is tried again, so nothing is kept elsewhere.
  // An error undoes it all; the row is tried again after kRetryAfter.
  virtual Result<Advance> advance(store::Sql& sql, const store::executions::Execution& execution,
                                  const std::vector<store::executions::Event>& events, Instant now) = 0;
};

struct EngineSettings {
  std::string owner;  // of the leases: unique among the servers over one store
  Duration lease{30'000};
  Duration poll{1'000};  // how late another server's wake-up may be noticed
  std::uint32_t rows_at_once = 16;
};
inline constexpr Duration kRetryAfter{15'000};

class Engine {
 public:
  Engine(store::Store& store, const Clock& clock, EngineSettings settings);
  ~Engine();  // stop()
  Engine(const Engine&) = delete;

  void add(std::unique_ptr<ExecutionKind> kind);  // before start()

  // Advances what is due once; how many rows were advanced. What start() calls in its thread, and tests by hand.
  Result<std::size_t> run_once();

  void start();
  void stop();  // after the row at hand; may be repeated
  void poke();  // something is due: look now. From any thread
  // Executions by kind: how often one was due, was advanced, could not be. As Prometheus reads them; any thread.
  std::string metrics() const;
  // Called after each transaction that may have queued orders, on the engine's thread.
  std::function<void()> on_progress;

 private:
  struct Counts {
    std::uint64_t due = 0, advanced = 0, failed = 0;
  };
  Status advance(const store::executions::Execution& execution);
  void count(const std::string& kind, std::uint64_t Counts::* what);
  ExecutionKind* kind_named(std::string_view name) const;
  void loop();
  Duration sleep_time();
  void keep_house();
  void forget_unused_sets(Instant now);
  void sweep_pool(Instant now);

  store::Store& store_;
  const Clock& clock_;
  const EngineSettings settings_;
  std::vector<std::unique_ptr<ExecutionKind>> kinds_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool poked_ = false, stopping_ = false;
  std::optional<Duration> house_kept_at_;
  mutable std::mutex counts_mutex_;
  std::map<std::string, Counts> counts_;             // by kind
  std::string package_sets_seen_, offer_sets_seen_;  // how far the walk over unused ones is
  Trouble trouble_{"engine-cannot-work", "engine-works-again"};
  std::thread thread_;
};

}  // namespace belay::server
