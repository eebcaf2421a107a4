#include "tests/sim/operators.hpp"

#include <algorithm>

#include "tests/sim/world.hpp"

namespace belay::sim {

void Operators::make_window() {
  if (!world_.scenario.window) return;
  store::windows::Window window;
  window.window_id = kWindow;
  window.name = "every second hour";
  window.schedule = kWindowSchedule;
  window.duration_hours = 1;
  window.created_at = window.modified_at = window.scheduled_at = world_.wall(-kHour);
  window.created_by = "author";
  const auto made = world_.server->disk().write([&](store::Sql& sql) { return store::windows::create(sql, window); });
  if (!made.ok()) world_.complain("the window cannot be made: " + made.error().chain());
}

void Operators::start() {
  for (std::size_t i = 0; i < world_.scenario.rollouts.size(); ++i)
    world_.queue.at(world_.scenario.rollouts[i].at, [this, i] { create(i); });
  world_.queue.after(kMinute, [this] { each_minute(); });
}

// Again until the server takes it: an author whose call was cut off looks, and sends the file once more.
void Operators::create(std::size_t index) {
  const auto& plan = world_.scenario.rollouts[index];
  bool answered = false;
  world_.server->act([&] {
    const auto made = world_.server->rollouts().create(
        {plan.content, plan.start, "author",
         server::ClientToken{{"author", "CreateRollout", "rollout-" + std::to_string(index)}, "same"}});
    answered = true;
    if (made.ok()) rollouts_.push_back(made->row.rollout_id);
    said("create r" + std::to_string(index), made.ok() ? Status() : Status(made.error()));
    world_.server->look_soon();
  });
  if (!answered) world_.queue.after(2 * kMinute, [this, index] { create(index); });
}

void Operators::said(const std::string& what, const Status& status) {
  world_.note("operator: " + what + (status.ok() ? "" : ": " + status.error().chain()), world_.queue.now());
  if (!status.ok() && status.error().code() == Code::internal) world_.complain(what + ": " + status.error().chain());
}

void Operators::each_minute() {
  if (random_.chance(0.3)) approve();
  if (world_.faults && random_.chance(world_.scenario.operators_act)) meddle();
  if (!world_.faults) give_up_what_is_blocked();
  world_.queue.after(kMinute, [this] { each_minute(); });
}

void Operators::approve() {
  for (const auto& id : rollouts_)
    world_.server->act([&] {
      auto& api = world_.server->rollouts();
      world_.server->look_soon();
      const auto view = api.get(id);
      if (!view.ok()) return world_.complain("a rollout is gone: " + view.error().chain());
      if (view->row.state == "Planned" && !world_.faults && !view->row.started_at)
        return said("start " + view->row.name, api.start(id, "author"));
      if (view->row.state != "AwaitingApproval") return;
      for (const auto* who : {"first", "second"}) {
        const auto approved = api.approve_change_set(view->row.change_set_id, id, who);
        said("approve " + view->row.name, approved.ok() ? Status() : Status(approved.error()));
        said("approve its ring", api.approve_ring(id, "", who));
      }
    });
}

void Operators::meddle() {
  if (rollouts_.empty()) return;
  const auto id = random_.pick(rollouts_);
  const auto what = random_.between(0, 9);
  const bool again = random_.chance(0.5);
  world_.server->act([&] {
    auto& api = world_.server->rollouts();
    if (what <= 1) said("pause", api.pause(id, "", "operator"));
    else if (what <= 5) said("resume", api.resume(id, again, "operator", "tried"));
    else if (what == 6) said("abort", api.abort(id, "", "operator"));
    else if (what == 7) roll_back(id);
    else if (what == 8) put_into_quarantine();
    else
      for (const auto* quarantined : {"linux", "nginx"}) static_cast<void>(api.where(quarantined, "2"));
    world_.server->look_soon();
  });
}

void Operators::stop(const std::string& change_set_id, Duration at) {
  world_.queue.at(at, [this, change_set_id, aborts = random_.chance(0.5)] {
    world_.server->act([&] {
      auto& api = world_.server->rollouts();
      for (const auto& id : rollouts_) {
        const auto view = api.get(id);
        if (!view.ok() || view->row.change_set_id != change_set_id) continue;
        if (aborts) said("abort " + view->row.name + " amid a run", api.abort(id, "", "operator"));
        else said("pause " + view->row.name + " amid a run", api.pause(id, "", "operator"));
      }
      world_.server->look_soon();
    });
  });
}

void Operators::roll_back(const std::string& rollout_id) {
  auto& api = world_.server->rollouts();
  server::RollbackRequest request;
  request.requested_by = "operator";
  request.reason = "slow";
  if (random_.chance(0.5)) {
    request.rollout_id = rollout_id;
    const auto view = api.get(rollout_id);
    if (view.ok() && random_.chance(0.5)) request.ring = random_.pick(view->rings).name;
  } else {
    request.instance_ids = {random_.pick(world_.scenario.nodes).id};
  }
  const auto made = api.roll_back(request);
  said("roll back " + (request.rollout_id.empty() ? request.instance_ids.front() : "ring '" + request.ring + "'"),
       made.ok() ? Status() : Status(made.error()));
  if (made.ok() && std::ranges::find(rollouts_, *made) == rollouts_.end()) rollouts_.push_back(*made);
}

void Operators::put_into_quarantine() {
  store::rollouts::Quarantine entry;
  entry.name = random_.pick<std::string>({"linux", "nginx", "openssl"});
  entry.version = "2";
  entry.reason = "leaks";
  entry.added_by = "operator";
  const auto put = world_.server->rollouts().put_quarantine(entry);
  said("quarantine " + entry.name, put.ok() ? Status() : Status(put.error()));
}

void Operators::remove(Node& node) {
  bool answered = false;
  world_.server->act([&] {
    const auto removed = world_.server->registry().deregister(node.machine.plan.id, "operator");
    answered = true;
    said("deregister " + node.machine.plan.name, removed);
  });
  if (!answered) return world_.queue.after(kMinute, [this, &node] { remove(node); });
  node.removed = true;
  world_.network->cut(world_.index_of(node));
  world_.server->look_soon();
}

// What its own rules hold up for ever is for a person to end.
void Operators::give_up_what_is_blocked() {
  for (const auto& id : world_.checks->blocked_for_good())
    world_.server->act([&] {
      said("abort " + id + ", which its budget or its window holds up",
           world_.server->rollouts().abort(id, "", "operator"));
      world_.server->look_soon();
    });
}

}  // namespace belay::sim
