#pragma once
// Carries out what leaves this server: effects that executions put into the store's outbox. Each is done at least once,
// after the transaction that wanted it, and says to its execution what came of it. Not in the engine's loop: the other
// end may be slow.
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/time.hpp"
#include "server/engine/trouble.hpp"
#include "store/executions.hpp"
#include "store/store.hpp"

namespace belay::server {

struct CourierSettings {
  std::string owner;       // of the leases: unique among the servers over one store
  Duration lease{45'000};  // longer than anything it carries out, shorter than a step waits for it
  Duration poll{1'000};
  std::size_t threads = 4;
};

class EffectCourier {
 public:
  // Blocks, for less than the lease. The answer goes to the effect's execution. May be asked for the same effect again:
  // a server died before it could say that it was done.
  using Carry = std::function<store::executions::Event(const store::executions::Effect& effect, Instant now)>;

  EffectCourier(store::Store& store, const Clock& clock, CourierSettings settings);
  ~EffectCourier();  // stop()
  EffectCourier(const EffectCourier&) = delete;

  void add(std::string effect, Carry carry);  // before start()
  // Carries out one that is due; whether there was one. What start() calls in its threads, and tests by hand.
  Result<bool> run_once();
  void start();
  void stop();                        // after what is under way; may be repeated
  void poke();                        // something is due. From any thread
  std::function<void()> on_progress;  // after each, on the courier's thread

 private:
  Status finish(const store::executions::Effect& effect, const store::executions::Event& event);
  void loop();

  store::Store& store_;
  const Clock& clock_;
  const CourierSettings settings_;
  std::map<std::string, Carry> carries_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t pokes_ = 0;
  bool stopping_ = false;
  Trouble trouble_{"courier-cannot-work", "courier-works-again"};
  std::vector<std::thread> threads_;
};

}  // namespace belay::server
