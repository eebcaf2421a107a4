#include "server/engine/window_snapshot.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/command/rate.hpp"
#include "io/crypto.hpp"
#include "store/nodes.hpp"

namespace belay::server {
namespace {
using store::Sql;
using Ids = std::vector<std::string>;
namespace history = store::window_history;

constexpr std::size_t kGoneShown = 10;

std::string new_uuid() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

// The nodes of one target of a task.
struct Group {
  std::string window_target_id, owner_information;
  Ids nodes;            // sorted
  std::string problem;  // not empty: they could not be told
  std::string remark;   // who is named and gone
  bool placed = false;  // by a remedy policy: who is away keeps the place for the next opening
};

class Snapshooter {
 public:
  Snapshooter(Sql& sql, const store::windows::Window& window, Instant online_since, Instant now)
      : sql_(sql), window_(window), online_since_(online_since), now_(now) {}

  Result<WindowSnapshot> take(const schedule::Opening& opening) {
    auto& row = made_.execution;
    row.execution_id = new_uuid();
    row.window_id = window_.window_id;
    row.started_at = opening.opens;
    row.cutoff_at = made_.machine.cutoff_at = opening.cutoff;
    row.ends_at = opening.closes;
    BELAY_TRY_ASSIGN(const auto targets, store::windows::targets_of(sql_, window_.window_id));
    for (const auto& target : targets) targets_[target.window_target_id] = target;
    BELAY_TRY_ASSIGN(const auto missed, store::windows::missed_of(sql_, window_.window_id));
    for (const auto& item : missed) missed_[item.window_task_id].push_back(item);
    BELAY_TRY_ASSIGN(const auto tasks, store::windows::tasks_of(sql_, window_.window_id));
    for (const auto& task : tasks) BELAY_TRY(add_task(task));
    for (auto& [task_id, items] : missed_) std::ranges::move(items, std::back_inserter(made_.stale));
    made_.machine.details = words_of(Ids(gone_.begin(), gone_.end()));
    return std::move(made_);
  }

 private:
  Status add_task(const store::windows::Task& task) {
    BELAY_TRY_ASSIGN(const auto content, json::decode_text<WindowTask>(task.content));
    history::Task row;
    row.task_execution_id = new_uuid();
    row.execution_id = made_.execution.execution_id;
    row.window_task_id = task.window_task_id;
    row.type = task.type;
    row.task_arn = task.task_arn;
    row.priority = task.priority;
    row.content = task.content;
    auto& machine = made_.machine.tasks.emplace_back();
    machine.task_execution_id = row.task_execution_id;
    boost::describe::enum_from_string(task.type.c_str(), machine.type);
    machine.priority = task.priority;
    machine.cutoff_behavior = content.cutoff_behavior.value_or(window::CutoffBehavior::CONTINUE_TASK);
    made_.tasks.push_back(row);
    BELAY_TRY_ASSIGN(auto groups, groups_of(content));
    if (!content.targets.empty()) add_placed(task.window_task_id, groups);
    std::uint32_t nodes = 0;
    for (const auto& group : groups) nodes += static_cast<std::uint32_t>(group.nodes.size());
    if (content.targets.empty()) {
      add_invocation(row, machine, {}, false, 1);
      return {};
    }
    BELAY_TRY_ASSIGN(machine.errors_max, command::max_errors(content.max_errors, nodes));
    BELAY_TRY_ASSIGN(const auto first, first_served(task.window_task_id, groups));
    for (const auto& group : groups) {
      Group early = group;
      std::erase_if(early.nodes, [&](const auto& id) { return !first.contains(id); });
      if (!early.nodes.empty()) add_invocation(row, machine, early, true, early.nodes.size());
    }
    for (const auto& group : groups) {
      if (group.placed) continue;
      Group rest = group;
      std::erase_if(rest.nodes, [&](const auto& id) { return first.contains(id); });
      if (rest.nodes.empty() && !group.nodes.empty()) continue;  // all of them come first
      add_invocation(row, machine, rest, false, rest.nodes.size());
    }
    return {};
  }

  void add_invocation(const history::Task& task, window::Task& machine, const Group& group, bool catch_up,
                      std::size_t targets) {
    history::Invocation row;
    row.invocation_id = new_uuid();
    row.task_execution_id = task.task_execution_id;
    row.execution_id = task.execution_id;
    row.window_target_id = group.window_target_id;
    row.owner_information = group.owner_information;
    row.catch_up = catch_up;
    row.nodes = group.nodes;
    row.node_count = static_cast<std::uint32_t>(group.nodes.size());
    auto& invocation = machine.invocations.emplace_back();
    invocation.invocation_id = row.invocation_id;
    invocation.targets = static_cast<std::uint32_t>(targets);
    row.status_details = invocation.details = group.remark;
    if (!group.problem.empty()) {
      row.status = "FAILED";
      row.status_details = group.problem;
      invocation.status = window::Status::FAILED;
      invocation.finished_at = now_;
      invocation.details = group.problem;
    }
    made_.invocations.push_back(std::move(row));
  }

  Result<std::vector<Group>> groups_of(const WindowTask& content) {
    std::vector<Group> groups;
    for (const auto& target : content.targets) {
      if (target.key == "WindowTargetIds") {
        for (const auto& id : target.values) {
          BELAY_TRY_ASSIGN(auto group, group_of_window_target(id));
          groups.push_back(std::move(group));
        }
        continue;
      }
      BELAY_TRY_ASSIGN(auto group, group_of_nodes(target));
      groups.push_back(std::move(group));
    }
    return groups;
  }

  Result<Group> group_of_window_target(const std::string& id) {
    Group group;
    group.window_target_id = id;
    const auto at = targets_.find(id);
    if (at == targets_.end()) {
      group.problem = "the window target " + id + " is not registered any more";
      return group;
    }
    group.owner_information = at->second.owner_information;
    BELAY_TRY(resolve(at->second, group));
    BELAY_TRY_ASSIGN(const auto targets, targets_of_text(at->second.targets));
    BELAY_TRY(note_gone(targets, group));
    return group;
  }

  Status resolve(const store::windows::Target& target, Group& group) {
    auto nodes = nodes_of_target(sql_, target);
    if (nodes.ok()) group.nodes = std::move(*nodes);
    else if (nodes.error().code() == Code::resource_exhausted) group.problem = nodes.error().chain();
    else return nodes.error();
    return {};
  }

  // Nodes that are named are no pattern: one that left the fleet is missed by whoever named it.
  Status note_gone(const std::vector<Target>& targets, Group& group) {
    BELAY_TRY_ASSIGN(const auto gone, named_and_gone(sql_, targets));
    group.remark = words_of(gone);
    gone_.insert(gone.begin(), gone.end());
    return {};
  }
  static std::string words_of(const Ids& gone) {
    if (gone.empty()) return {};
    const auto shown = std::min(gone.size(), kGoneShown);
    return "named but not registered any more: " +
           join(Ids(gone.begin(), gone.begin() + static_cast<std::ptrdiff_t>(shown)), ", ") +
           (shown < gone.size() ? " and " + std::to_string(gone.size() - shown) + " others" : "");
  }

  Result<Group> group_of_nodes(const Target& target) {
    Group group;
    BELAY_TRY_ASSIGN(group.nodes, resolve_targets(sql_, {}, {target}));
    BELAY_TRY(note_gone({target}, group));
    if (window_.allow_unassociated) return group;
    std::set<std::string> associated;
    for (const auto& [id, known] : targets_) {
      Group all;
      BELAY_TRY(resolve(known, all));
      associated.insert(all.nodes.begin(), all.nodes.end());
    }
    const auto before = group.nodes.size();
    std::erase_if(group.nodes, [&](const auto& id) { return !associated.contains(id); });
    if (group.nodes.empty() && before > 0)
      group.problem = "its nodes are in no target of the window, and the window does not allow unassociated targets";
    return group;
  }

  // Nodes that a remedy policy gave a place in this window, though no target of the task names them.
  void add_placed(const std::string& window_task_id, std::vector<Group>& groups) {
    const auto at = missed_.find(window_task_id);
    if (at == missed_.end()) return;
    std::set<std::string> named;
    for (const auto& group : groups) named.insert(group.nodes.begin(), group.nodes.end());
    Group placed;
    placed.placed = true;
    for (const auto& item : at->second)
      if (item.reason == store::windows::MissedReason::remedy && !named.contains(item.node_id))
        placed.nodes.push_back(item.node_id);
    std::ranges::sort(placed.nodes);
    if (!placed.nodes.empty()) groups.insert(groups.begin(), std::move(placed));
  }

  // Of the nodes this task missed: those it is still for, and that are there now. They leave missed_; what stays in it
  // is for nobody any more. Those that are still away stay in their place.
  Result<std::set<std::string>> first_served(const std::string& window_task_id, const std::vector<Group>& groups) {
    const auto at = missed_.find(window_task_id);
    if (at == missed_.end()) return std::set<std::string>();
    std::set<std::string> wanted;
    for (const auto& group : groups) wanted.insert(group.nodes.begin(), group.nodes.end());
    Ids ours;
    for (const auto& item : at->second)
      if (wanted.contains(item.node_id)) ours.push_back(item.node_id);
    std::erase_if(at->second, [&](const auto& item) { return wanted.contains(item.node_id); });
    std::set<std::string> first;
    for (std::size_t from = 0; from < ours.size(); from += store::kPageLimitMax) {
      const std::size_t count = std::min<std::size_t>(store::kPageLimitMax, ours.size() - from);
      BELAY_TRY_ASSIGN(const auto nodes, store::nodes::get_briefs(sql_, std::span(ours).subspan(from, count)));
      for (const auto& node : nodes)
        if (node.last_seen_at && *node.last_seen_at >= online_since_) first.insert(node.node_id);
    }
    return first;
  }

  Sql& sql_;
  const store::windows::Window& window_;
  const Instant online_since_, now_;
  std::map<std::string, store::windows::Target> targets_;
  std::map<std::string, std::vector<store::windows::Missed>> missed_;  // by task
  std::set<std::string> gone_;                                         // of all its groups
  WindowSnapshot made_;
};

}  // namespace

Result<WindowSnapshot> take_snapshot(Sql& sql, const store::windows::Window& window, const schedule::Opening& opening,
                                     Instant online_since, Instant now) {
  return Snapshooter(sql, window, online_since, now).take(opening);
}

}  // namespace belay::server
