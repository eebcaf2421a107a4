#include "cli/rollout_progress.hpp"

#include <algorithm>
#include <iostream>
#include <map>
#include <thread>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/output.hpp"
#include "cli/progress.hpp"

namespace belay::cli {
namespace {

constexpr std::int64_t kNodesSaidMax = 200;  // of larger rollouts only the rings are followed
constexpr int kUnheardPollsMax = 60;

struct Sum {
  const char *member, *word;
};
constexpr Sum kSums[] = {{"Pending", "pending"},        {"AtWork", "at work"}, {"Committed", "committed"},
                         {"RolledBack", "rolled back"}, {"Failed", "failed"},  {"Held", "held"},
                         {"Skipped", "skipped"}};

std::int64_t count_of(const json::Value& ring, const char* member) {
  const auto* counts = json::find(ring, "Counts");
  const auto* number = counts ? json::find(*counts, member) : nullptr;
  return number && number->is_number() ? number->to_number<std::int64_t>() : 0;
}

json::Array rings_of(const json::Value& rollout) {
  const auto* rings = json::find(rollout, "Rings");
  return rings && rings->is_array() ? rings->get_array() : json::Array();
}

bool is_one_of(const std::string& state, std::initializer_list<std::string_view> states) {
  return std::ranges::find(states, state) != states.end();
}

std::string with_why(const json::Value& object) {
  const std::string why = json::text_or_empty(object, "Why");
  return json::text_or_empty(object, "State") + (why.empty() ? "" : ": " + why);
}

// Each change once: of the rollout, its rings, its nodes.
Status say_changes(Context& context, Progress& progress, const json::Value& rollout) {
  const std::string id = json::text_or_empty(rollout, "RolloutId");
  std::map<std::string, int> sums;
  std::int64_t nodes = 0;
  for (const auto& ring : rings_of(rollout)) {
    const std::string name = json::text_or_empty(ring, "Name");
    progress.say("ring " + name, "ring " + name, with_why(ring));
    nodes += count_of(ring, "Nodes");
    for (const auto& sum : kSums)  // who was rolled back counts as failed
      if (const auto count = count_of(ring, sum.member); count > 0 && sum.member != std::string_view("RolledBack"))
        sums[sum.word] += static_cast<int>(count);
  }
  if (nodes <= kNodesSaidMax) {
    BELAY_TRY_ASSIGN(const auto rows, call_all(context, "ListRolloutNodes", {{"RolloutId", id}}, "Nodes"));
    for (const auto& node : rows)
      if (json::text_or_empty(node, "State") != "Pending")
        progress.say(cell(node, "InstanceId"), cell(node, "Name") + " (" + cell(node, "InstanceId") + ")",
                     with_why(node));
  }
  progress.say(id, id, with_why(rollout));
  progress.draw(sums);
  return {};
}

// A rollback that ended says little of how its nodes are.
Result<bool> all_well(Context& context, const std::string& id) {
  BELAY_TRY_ASSIGN(const auto bad,
                   call_all(context, "ListRolloutNodes",
                            {{"RolloutId", id}, {"State", json::Array{"RollbackFailed", "Inconsistent"}}}, "Nodes"));
  for (const auto& node : bad)
    std::cerr << "  " << sanitize(cell(node, "Name") + " (" + cell(node, "InstanceId") + "): " + with_why(node), 2'000)
              << "\n";
  return bad.empty();
}

void say_what_to_do(const std::string& id, const std::string& state) {
  if (state == "Halted")
    std::cerr << "it waits for a decision: belay rollout report " << id << ", then belay rollout resume " << id
              << ", belay rollback " << id << " or belay rollout abort " << id << "\n";
  else std::cerr << "what happened: belay rollout report " << id << "\n";
}

}  // namespace

Result<json::Value> get_rollout(Context& context, const std::string& id) {
  BELAY_TRY_ASSIGN(auto answer, call(context, "GetRollout", {{"RolloutId", id}}));
  const auto* rollout = json::find(answer, "Rollout");
  if (!rollout) return Error(Code::internal, "GetRollout: the server's answer has no rollout");
  return *rollout;
}

void print_rollout(const Context& context, const json::Value& rollout, const json::Value& whole) {
  Table table{{"RING", "STATE", "NODES"}, {}};
  for (const auto& sum : kSums) {
    std::string column = sum.word;
    for (char& c : column) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    table.columns.push_back(column);
  }
  table.columns.insert(table.columns.end(), {"AT ONCE", "ERRORS MAX", "WHY"});
  for (const auto& ring : rings_of(rollout)) {
    std::vector<std::string> row{cell(ring, "Name"), cell(ring, "State"), std::to_string(count_of(ring, "Nodes"))};
    for (const auto& sum : kSums) row.push_back(std::to_string(count_of(ring, sum.member)));
    row.insert(row.end(), {cell(ring, "MaxConcurrency"), cell(ring, "ErrorsMax"), cell(ring, "Why")});
    table.rows.push_back(std::move(row));
  }
  print(context, table, whole, std::cout);
  if (context.format != Format::table) return;
  std::cout << "\n"
            << cell(rollout, "RolloutId") << " " << sanitize(cell(rollout, "Name"), 200) << ": "
            << sanitize(with_why(rollout), 2'000);
  if (const auto set = json::text_or_empty(rollout, "ChangeSetId"); !set.empty()) std::cout << "\nchange set " << set;
  std::cout << "\n";
  const auto* restored = json::find(whole, "DataRestored");
  if (!restored || !restored->is_array()) return;
  for (const auto& node : restored->get_array()) {
    const auto* data = json::find(node, "Data");
    const auto told = data ? json::text_or_empty(*data, "Told") : std::string();
    std::cout << cell(node, "InstanceId") << " " << cell(node, "State") << ": "
              << sanitize(told.empty() ? cell(node, "Why") : told, 4'000) << "\n";
  }
}

Result<int> follow_rollout(Context& context, const std::string& id, bool put_back, const json::Value& unlike) {
  Progress progress;
  for (int polls = 0;; ++polls) {
    BELAY_TRY_ASSIGN(const auto rollout, get_rollout(context, id));
    BELAY_TRY(say_changes(context, progress, rollout));
    const std::string state = json::text_or_empty(rollout, "State");
    const bool heard = rollout != unlike || polls >= kUnheardPollsMax;
    if (heard && is_one_of(state, {"Completed", "RolledBack", "Aborted", "Halted"})) {
      progress.clear();
      print_rollout(context, rollout, json::Object{{"Rollout", rollout}});
      bool well = state == "Completed";
      if (put_back) {
        BELAY_TRY_ASSIGN(const bool nodes_well, all_well(context, id));
        well = nodes_well && state != "Aborted";
      }
      if (!well && context.format == Format::table) say_what_to_do(id, state);
      return well ? kExitOk : kExitNonCompliant;
    }
    if (state == "AwaitingApproval") progress.say(id + " next", "next", "belay rollout approve " + id);
    if (state == "Paused") progress.say(id + " next", "next", "belay rollout resume " + id);
    std::this_thread::sleep_for(kPollEvery);
  }
}

}  // namespace belay::cli
