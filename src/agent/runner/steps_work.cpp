#include "agent/runner/steps_work.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "agent/runner/agent_update.hpp"
#include "agent/runner/cancel_watch.hpp"
#include "agent/runner/output_file.hpp"
#include "agent/runner/problems.hpp"
#include "agent/runner/scan_work.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

using document::ActionKind;
using document::Event;
using document::EventKind;
using document::StepStatus;

constexpr Duration kRebootTimeout{900'000};
constexpr Duration kRunKeptFor{std::chrono::days(7)};  // every step writes into it, and none lasts longer than two days
constexpr json::Limits kJournalLimits{.bytes_max = 32 << 20, .depth_max = 32};

// On disk before the act it announces.
struct Journal {
  std::string boot_id;
  std::vector<document::Step> steps;
  document::Run run;
  std::vector<wire::StepOutput> outputs;
  std::vector<inventory::ReportedItem> inventory;
};
BOOST_DESCRIBE_STRUCT(Journal, (), (boot_id, steps, run, outputs, inventory))

Event event_of(StepEnd::How how, int exit_code, std::string why) {
  switch (how) {
    case StepEnd::How::exited: return {EventKind::exited, exit_code, ""};
    case StepEnd::How::timed_out: return {EventKind::timed_out, 0, ""};
    case StepEnd::How::cancelled: return {EventKind::cancelled, 0, ""};
    case StepEnd::How::failed: break;
  }
  return {EventKind::failed, 0, std::move(why)};
}

class StepsDriver {
 public:
  StepsDriver(const WorkTools& tools, const StatePaths& paths, const AcceptedOrder& accepted)
      : tools_(tools),
        paths_(paths),
        accepted_(accepted),
        order_(accepted.order),
        directory_(is_uuid(order_.steps->run_id) ? paths.run_directory(order_.steps->run_id)
                                                 : paths.order_directory(order_.order_id) + "/work"),
        output_(tools.files, tools.clock, paths.output(order_.order_id)) {}

  Result<wire::OrderResult> run() {
    BELAY_TRY_ASSIGN(auto event, load());
    const bool begins = event.kind == EventKind::begin;
    if (!begins) log::info("steps_resumed", {{"order", order_.order_id}});
    sweep();
    BELAY_TRY(tools_.files.make_directories(directory_, 0700));
    for (bool first = begins;; first = false) {
      if (!journal_.run.cancel_wanted && is_cancelled() && event.kind != EventKind::begin)
        document::step(journal_.steps, journal_.run, event, now()), event = {EventKind::cancel, 0, ""};
      auto action = document::step(journal_.steps, journal_.run, event, now());
      // The server hands a document over at the step that is to be done now.
      if (first && action.kind == ActionKind::wait) action.kind = ActionKind::execute;
      BELAY_TRY(save());
      if (action.kind == ActionKind::finish || is_the_servers(action)) break;
      event = act(action);
      if (!local_document_.empty()) break;
    }
    return finish();
  }

 private:
  Instant now() const { return tools_.clock.now(); }
  bool is_cancelled() const { return tools_.files.info(paths_.cancel(order_.order_id)).ok(); }
  std::string journal_path() const { return paths_.steps(order_.order_id); }

  Result<Event> load() {
    BELAY_TRY_ASSIGN(const auto boot_id, tools_.host.boot_id());
    const auto text = tools_.files.read(journal_path(), kJournalLimits.bytes_max);
    if (!text.ok() && text.error().code() != Code::not_found) return text.error();
    if (!text.ok()) {
      journal_ = {boot_id, order_.steps->steps, order_.steps->run, {}, {}};
      if (journal_.run.steps.size() != journal_.steps.size())
        return Error(Code::invalid_argument, "the order's run does not fit its steps", "order-malformed");
      return Event{EventKind::begin, 0, ""};
    }
    BELAY_TRY_ASSIGN(journal_, json::decode_text<Journal>(*text, kJournalLimits).within(journal_path()));
    return Event{journal_.boot_id == boot_id ? EventKind::restarted : EventKind::rebooted, 0, ""};
  }

  Status save() {
    BELAY_TRY_ASSIGN(journal_.boot_id, tools_.host.boot_id());
    return tools_.files.write_durable(journal_path(), json::encode_text(journal_), 0600);
  }

  // A document that was given up while the server had it (a cancel, a time-out) leaves its directory behind.
  void sweep() const {
    const auto names = tools_.files.list(paths_.runs());
    if (!names.ok()) return;
    for (const auto& name : *names) {
      const auto info = tools_.files.info(paths_.run_directory(name));
      if (paths_.run_directory(name) != directory_ && info.ok() && now() - info->modified > kRunKeptFor)
        static_cast<void>(tools_.files.remove_tree(paths_.run_directory(name)));
    }
  }

  // The server has the document now, and gives it back for the steps after that one.
  bool comes_back() const {
    if (!local_document_.empty()) return true;
    const auto at = std::ranges::find(journal_.run.steps, StepStatus::InProgress, &document::StepRun::status);
    if (at == journal_.run.steps.end()) return false;
    return std::any_of(at, journal_.run.steps.end(),
                       [](const auto& step) { return step.status == StepStatus::Pending; });
  }

  bool is_the_servers(const document::Action& action) const {
    return action.kind == ActionKind::execute &&
           std::holds_alternative<document::Patch>(journal_.steps[action.index].work);
  }

  Event act(const document::Action& action) {
    switch (action.kind) {
      case ActionKind::execute: return execute(action.index);
      case ActionKind::reboot: return reboot();
      // Nothing of ours runs between two steps: what is said to run has ended with its process.
      case ActionKind::stop: return {EventKind::cancelled, 0, ""};
      case ActionKind::wait: return {EventKind::failed, 0, "the process that ran it is gone"};
      case ActionKind::finish: break;
    }
    return {};
  }

  Event execute(std::size_t index) {
    const auto& step = journal_.steps[index];
    log::info("step_begins", {{"order", order_.order_id}, {"step", step.name}});
    if (const auto* wanted = std::get_if<document::Reboot>(&step.work)) return reboot_step(*wanted);
    if (const auto* inner = std::get_if<document::RunDocument>(&step.work)) return read_local(*inner);
    if (const auto* package = std::get_if<document::ConfigurePackage>(&step.work)) return configure(index, *package);
    if (const auto* wanted = std::get_if<document::RefreshAssociation>(&step.work)) return refresh(index, *wanted);
    StepEnd end;
    {
      CancelWatch watch(tools_.files, paths_.cancel(order_.order_id));
      const StepContext context{order_.order_id,
                                order_.node_id,
                                directory_,
                                paths_.custom_inventory(),
                                now(),
                                step.finally ? nullptr : watch.flag(),
                                [this](std::string_view text) { output_.add(text); }};
      end = do_step(tools_.steps, step, context);
    }
    if (const auto* wanted = std::get_if<document::SoftwareInventory>(&step.work)) report_packages(*wanted, end);
    std::ranges::move(end.inventory, std::back_inserter(journal_.inventory));
    keep_output(index, end);
    return event_of(end.how, end.exit_code, std::move(end.why));
  }

  // Packages travel as they always do, in a report of what was seen, ahead of the result.
  void report_packages(const document::SoftwareInventory& wanted, StepEnd& end) {
    const auto asked = wanted.gather.find("applications");
    if (asked == wanted.gather.end() || asked->second != "Enabled" || end.exit_code != 0) return;
    const auto seen = scan_node(tools_, paths_, Refresh::never);
    const auto kept = seen.ok() ? OrderBook(tools_.files, paths_).write_report(order_.order_id, *seen) : seen.error();
    if (kept.ok()) end.standard_output += "AWS:Application: " + std::to_string(seen->packages) + " packages\n";
    else end = {StepEnd::How::failed, -1, "", kept.error().chain() + "\n", kept.error().chain(), {}};
  }

  // Together they must fit one message.
  void keep_output(std::size_t index, StepEnd& end) {
    std::size_t kept = 0;
    for (const auto& output : journal_.outputs) kept += output.standard_output.size() + output.standard_error.size();
    const auto cut = [&](std::string text) {
      const auto room = wire::kStepOutputsBytesMax - std::min(kept, wire::kStepOutputsBytesMax);
      if (text.size() > room) text = sanitize(text, room);
      kept += text.size();
      return text;
    };
    auto errors = cut(std::move(end.standard_error));
    journal_.outputs.push_back({static_cast<std::uint32_t>(index), cut(std::move(end.standard_output)), errors});
  }

  Event configure(std::size_t index, const document::ConfigurePackage& wanted) {
    auto end = update_agent({tools_.files, tools_.processes, tools_.host, paths_, tools_.program, tools_.fetch_program},
                            wanted);
    keep_output(index, end);
    return event_of(end.how, end.exit_code, std::move(end.why));
  }

  // The agent asks the server for them, or begins what it keeps.
  Event refresh(std::size_t index, const document::RefreshAssociation& wanted) {
    std::string lines;
    for (const auto& id : wanted.association_ids) lines += id + "\n";
    if (lines.empty()) lines = std::string(kRefreshAll) + "\n";
    const auto asked = tools_.files.append_durable(paths_.refresh(order_.order_id), lines, 0600);
    if (!asked.ok()) return {EventKind::failed, 0, asked.error().chain()};
    StepEnd end;
    end.standard_output = "asked for " +
                          (wanted.association_ids.empty() ? std::string("all associations of this node")
                                                          : join(wanted.association_ids, ", ")) +
                          "\n";
    keep_output(index, end);
    return {EventKind::exited, 0, ""};
  }

  Event reboot_step(const document::Reboot& wanted) {
    if (wanted.when == "Never") return {EventKind::exited, 0, ""};
    if (wanted.when == "IfNeeded") {
      const auto needed = tools_.host.reboot_required();
      if (!needed.ok()) return {EventKind::failed, 0, needed.error().chain()};
      if (!*needed) return {EventKind::exited, 0, ""};
    }
    return reboot();
  }

  Event reboot() {
    const auto asked = tools_.host.request_reboot();
    if (!asked.ok()) return {EventKind::failed, 0, "the machine cannot be restarted: " + asked.error().chain()};
    if (tools_.host.await_reboot(kRebootTimeout) == HostControl::Waited::rebooted) return {EventKind::rebooted, 0, ""};
    return {EventKind::failed, 0, "the machine was asked to restart and did not within 15 minutes"};
  }

  // A document that lies on this node is the server's to expand; what it says goes there.
  Event read_local(const document::RunDocument& inner) {
    const auto path = inner.local_path.starts_with('/') ? inner.local_path : directory_ + "/" + inner.local_path;
    auto text = tools_.files.read(path, kDocumentBytesMax);
    if (!text.ok()) return {EventKind::failed, 0, text.error().chain()};
    local_document_ = std::move(*text);
    return {};
  }

  Result<wire::OrderResult> finish() {
    wire::OrderResult result;
    result.order_id = order_.order_id;
    result.started_at = accepted_.accepted_at;
    for (const auto& step : journal_.run.steps)
      if (step.started_at) {
        result.started_at = *step.started_at;
        break;
      }
    result.finished_at = now();
    const auto summary = document::summarize(journal_.steps, journal_.run);
    result.exit_code = summary.exit_code;
    if (!comes_back()) static_cast<void>(tools_.files.remove_tree(directory_));
    switch (summary.status) {
      case StepStatus::Failed: result.outcome = wire::OrderOutcome::failed; break;
      case StepStatus::TimedOut: result.outcome = wire::OrderOutcome::timed_out; break;
      case StepStatus::Cancelled: result.outcome = wire::OrderOutcome::cancelled; break;
      default: result.outcome = wire::OrderOutcome::success; break;
    }
    result.standard_error = summary.why;
    result.steps = wire::StepsReport{std::move(journal_.run), std::move(journal_.outputs), std::move(local_document_),
                                     std::move(journal_.inventory)};
    return result;
  }

  static constexpr std::size_t kDocumentBytesMax = 64 << 10;

  const WorkTools& tools_;
  const StatePaths& paths_;
  const AcceptedOrder& accepted_;
  const wire::Order& order_;
  const std::string directory_;
  OutputFile output_;
  Journal journal_;
  std::string local_document_;
};

}  // namespace

Result<wire::OrderResult> run_steps_order(const WorkTools& tools, const StatePaths& paths,
                                          const AcceptedOrder& accepted) {
  return StepsDriver(tools, paths, accepted).run();
}

}  // namespace belay::agent
