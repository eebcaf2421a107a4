#include "main/rollback.hpp"

#include <chrono>
#include <thread>

#include "agent/runner/order_book.hpp"
#include "agent/runner/undo.hpp"
#include "base/error_table.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/fleet/problem_text.hpp"
#include "main/print.hpp"

namespace belay {
namespace {

constexpr Duration kLookEvery{300};
constexpr Duration kRelaunchAfter{10'000};
constexpr std::size_t kOutputBytesMax = 4 << 20;

int fail(const Error& error) {
  print_error("belay-agent: " + error.chain() + "\n");
  return meaning(error.code()).exit_status;
}

std::string line_of(const fleet::PackageChange& change) {
  if (change.to_version.empty()) return "  remove     " + change.name + " " + change.from_version;
  if (change.from_version.empty()) return "  install    " + change.name + " " + change.to_version;
  return "  put back   " + change.name + " " + change.from_version + " -> " + change.to_version;
}

void print_plan(const agent::Undo& undo, const agent::PackageManager& packages, const Clock& clock) {
  print("The last run that changed this node is " + undo.run_id + ", ended " +
        humanize(clock.now() - undo.finished_at) + " ago. Undoing it with " + std::string(packages.name()) +
        " would:\n");
  for (const auto& change : undo.changes) print(line_of(change) + "\n");
}

// What the resolver says to it now. True where nothing stands in the way.
bool print_simulation(agent::PackageManager& packages, const agent::StatePaths& paths, const agent::Undo& undo) {
  agent::InstallOrder order;
  order.changes = undo.changes;
  order.allow_downgrade = order.allow_removal = true;
  order.held_directory = paths.held();
  const auto plan = packages.simulate(order);
  if (!plan.ok()) {
    print("It cannot be told whether that would work: " + plan.error().chain() + "\n");
    return false;
  }
  for (const auto& problem : plan->problems) print("In the way: " + fleet::what_is_wrong_and_next(problem) + "\n");
  return plan->problems.empty();
}

// Until there is a result: in the order's folder, or where the agent put it since.
Result<wire::OrderResult> follow(io::Files& files, const agent::StatePaths& paths, const std::string& id,
                                 agent::Launcher& launcher) {
  const agent::OrderBook book(files, paths);
  std::size_t printed = 0;
  Duration silent{};
  while (true) {
    if (const auto text = files.read(paths.output(id), kOutputBytesMax); text.ok() && text->size() > printed) {
      print(std::string_view(*text).substr(printed));
      std::fflush(stdout);
      printed = text->size();
    }
    for (const auto& path : {paths.result(id), paths.archived(id)})
      if (const auto text = files.read(path, 32 << 20); text.ok()) return json::decode_text<wire::OrderResult>(*text);
    std::this_thread::sleep_for(kLookEvery);
    silent += kLookEvery;
    if (silent < kRelaunchAfter) continue;
    silent = Duration::zero();
    const bool worked_on = !io::FileLock::acquire(paths.order_lock(id)).ok();
    if (!worked_on) BELAY_TRY(launcher.launch(id, wire::OrderKind::patch));  // its process was killed
  }
}

int tell(const wire::OrderResult& result, const agent::StatePaths& paths) {
  print(result.standard_output + result.standard_error);
  if (result.outcome == wire::OrderOutcome::success) {
    print(result.run && result.run->reboot_pending ? "The run is undone. A reboot is pending.\n"
                                                   : "The run is undone.\n");
    return kExitOk;
  }
  print(std::string("The run was not undone: ") +
        (result.run ? boost::describe::enum_to_string(result.run->outcome, "?") : "see the problems") +
        ". The old packages are under " + paths.held() + ".\n");
  return kExitNonCompliant;
}

}  // namespace

int roll_back(io::Files& files, const Clock& clock, const agent::StatePaths& paths, agent::PackageManager& packages,
              agent::Launcher& launcher, const RollbackRequest& request) {
  const auto undo = agent::plan_undo(files, paths);
  if (!undo.ok()) return fail(undo.error().within("nothing to roll back"));
  print_plan(*undo, packages, clock);
  if (undo->begun) {
    print("It was begun already and goes on.\n");
  } else {
    const bool free = print_simulation(packages, paths, *undo);
    if (!request.yes) {
      print(free ? "Nothing was changed. To do it: belay-agent rollback --yes\n" : "Nothing was changed.\n");
      return free ? kExitOk : kExitNonCompliant;
    }
  }
  if (const auto laid = agent::accept_undo(files, paths, *undo, request.reboot, clock.now()); !laid.ok())
    return fail(laid.error());
  if (const auto launched = launcher.launch(undo->order_id, wire::OrderKind::patch); !launched.ok())
    return fail(launched.error().within("the run could not be started; the agent takes it up when it starts"));
  const auto result = follow(files, paths, undo->order_id, launcher);
  if (!result.ok()) return fail(result.error());
  return tell(*result, paths);
}

}  // namespace belay
