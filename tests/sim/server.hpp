#pragma once
// The real server core over a real store: engine, intake, judge, change sets, rollouts. What the gateway does with
// sockets stands here in the simulation's time. Any write may be its last; it then boots again over what is on disk.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/engine/change_sets.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/intake.hpp"
#include "server/engine/rollouts.hpp"
#include "store/orders.hpp"
#include "tests/fakes/manual_clock.hpp"
#include "tests/fakes/mortal_store.hpp"
#include "tests/sim/random.hpp"
#include "wire/messages.hpp"

namespace belay::sim {

class World;

class Server {
 public:
  Server(World& world, std::unique_ptr<store::Store> disk, const server::Authority& authority, Random random);
  ~Server();

  void boot();
  bool is_up() const { return up_; }
  void hear(std::size_t node, const std::string& text);
  void line_broken(std::size_t node) { greeted_.erase(node), sent_.erase(node); }
  void look_soon();
  void stop_dying() { may_die_ = false, store_.disarm(); }
  // Something an operator does; nothing while it is away. It may be the server's last act.
  void act(const std::function<void()>& operation);
  bool knows(std::size_t node);

  server::Rollouts& rollouts() { return *rollouts_; }
  server::NodeRegistry& registry() { return *registry_; }
  store::Store& disk() { return *disk_; }  // for checkers: it never dies
  fakes::ManualClock clock;

 private:
  struct Sent {
    std::map<std::string, Duration> orders, cancels;
  };
  void die(const std::string& at);
  void sync_clock();
  void look_at(Duration when);
  void look();
  void deliver();
  void deliver_to(std::size_t node, const std::vector<store::orders::Order>& orders,
                  const std::vector<store::orders::Order>& cancels, std::vector<std::string>& delivered);
  void keep_house();
  void take(std::size_t node, const wire::Envelope& message);
  void greet(std::size_t node, const wire::Hello& hello);

  World& world_;
  std::unique_ptr<store::Store> disk_;
  fakes::MortalStore store_;
  const server::Authority& authority_;
  Random random_;
  server::Zones zones_;
  std::unique_ptr<server::Windows> windows_;
  std::unique_ptr<server::Judge> judge_;
  std::unique_ptr<server::ChangeSets> change_sets_;
  std::unique_ptr<server::NodeRegistry> registry_;
  std::unique_ptr<server::Intake> intake_;
  std::unique_ptr<server::Engine> engine_;
  std::unique_ptr<server::Rollouts> rollouts_;
  std::set<std::size_t> greeted_;
  std::map<std::size_t, Sent> sent_;
  std::optional<Duration> look_planned_;
  std::uint64_t life_ = 0;
  Duration house_kept_at_{-1'000'000};
  bool up_ = false, may_die_ = true, to_deliver_ = true;
};

}  // namespace belay::sim
