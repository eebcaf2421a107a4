#include "server/engine/command_run.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/fleet/problem_text.hpp"
#include "io/crypto.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/node_event.hpp"
#include "server/engine/order_desk.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using command::EventKind;
using command::Phase;

constexpr Phase kPhasesWithOrders[] = {Phase::steps, Phase::scan, Phase::plan, Phase::patch, Phase::final_scan};
constexpr int kRoundsMax = 64;  // of answers to answers within one turn; each ends an invocation or moves it on

std::string name_of(Phase phase) { return boost::describe::enum_to_string(phase, "?"); }

EventKind kind_of(const wire::OrderResult& result, Phase phase) {
  using patchrun::Outcome;
  using wire::OrderOutcome;
  switch (result.outcome) {
    case OrderOutcome::timed_out: return EventKind::timed_out;
    case OrderOutcome::cancelled: return EventKind::cancelled;
    case OrderOutcome::refused: return is_forbidden(result) ? EventKind::forbidden : EventKind::refused;
    case OrderOutcome::failed: return EventKind::failed;
    case OrderOutcome::success: break;
  }
  // A success is believed only with what proves it.
  if (phase == Phase::plan && !result.plan) return EventKind::failed;
  if (phase == Phase::patch && !result.run) return EventKind::failed;
  if (phase == Phase::patch && result.run->outcome != Outcome::committed &&
      result.run->outcome != Outcome::nothing_to_do)
    return EventKind::failed;
  return EventKind::succeeded;
}

}  // namespace

std::string why_of(const wire::OrderResult& result) {
  if (!result.problems.empty()) return fleet::what_is_wrong_and_next(result.problems.front());
  if (result.run && !result.run->problems.empty()) return fleet::what_is_wrong_and_next(result.run->problems.front());
  if (result.run) return "the run ended " + std::string(json::encode(result.run->outcome).as_string().c_str());
  if (result.exit_code > 0) return "exit status " + std::to_string(result.exit_code);
  return sanitize(result.standard_error, 500);
}

bool is_forbidden(const wire::OrderResult& result) {
  return result.outcome == wire::OrderOutcome::refused && std::ranges::any_of(result.problems, [](const auto& problem) {
           return problem.reason == fleet::Reason::policy_forbids || problem.reason == fleet::Reason::policy_unusable;
         });
}

std::string CommandRun::order_id(const std::string& node_id, Phase phase) const {
  const auto segment = command_.invocations[index_of(node_id)].segment;
  if (due_ && segment == 0 && phase == Phase::steps) return own_run_id(node_id, *due_);
  return order_id_for(kCommandKind, row_.command_id, node_id, std::to_string(segment) + "/" + name_of(phase));
}

Phase CommandRun::phase_of(const std::string& node_id, const std::string& order) const {
  for (const auto phase : kPhasesWithOrders)
    if (order_id(node_id, phase) == order) return phase;
  return Phase::waiting;
}

std::size_t CommandRun::index_of(const std::string& node_id) const {
  const auto at = std::ranges::lower_bound(command_.invocations, node_id, {}, &command::Invocation::node_id);
  BELAY_ASSERT(at != command_.invocations.end() && at->node_id == node_id);
  return static_cast<std::size_t>(at - command_.invocations.begin());
}

Status CommandRun::load_due() {
  if (!parent_ || parent_->kind != kAssociationKind) return {};
  const auto run = store::associations::get_execution(sql_, parent_->key);
  if (!run.ok()) return run.error().code() == Code::not_found ? Status() : Status(run.error());
  if (run->cause == boost::describe::enum_to_string(association::Cause::schedule, ""))
    due_ = wire::AssociationDue{run->association_id, run->version, run->due_at};
  return {};
}

Status CommandRun::load(const store::executions::Execution& execution) {
  BELAY_TRY_ASSIGN(const auto state, json::decode_text<CommandState>(execution.state));
  parent_ = state.parent;
  BELAY_TRY(load_due());
  if (auto known = cache_.take(state.turn)) {
    row_ = std::move(known->row);
    options_ = std::move(known->options);
    command_ = std::move(known->command);
    invocation_rows_ = std::move(known->invocation_rows);
    return {};
  }
  command_.settings = state.settings;
  command_.stopped = state.stopped;
  command_.cancel_wanted = state.cancel_wanted;
  return read_rows(execution.execution_id);
}

Status CommandRun::read_rows(const std::string& command_id) {
  BELAY_TRY_ASSIGN(row_, store::commands::get(sql_, command_id));
  BELAY_TRY_ASSIGN(options_, json::decode_text<CommandOptions>(row_.detail, {.bytes_max = 8u << 20}));
  BELAY_TRY_ASSIGN(invocation_rows_, store::commands::invocations_of(sql_, command_id));
  std::ranges::sort(invocation_rows_, {}, &store::commands::Invocation::node_id);
  command_.invocations.reserve(invocation_rows_.size());
  for (const auto& row : invocation_rows_) {
    BELAY_TRY_ASSIGN(auto invocation, json::decode_text<command::Invocation>(row.detail));
    invocation.node_id = row.node_id;
    command_.invocations.push_back(std::move(invocation));
  }
  return {};
}

Result<ExecutionKind::Advance> CommandRun::advance(const store::executions::Execution& execution,
                                                   const std::vector<store::executions::Event>& posted) {
  BELAY_TRY(load(execution));
  std::vector<command::Event> events;
  for (const auto& event : posted) {
    BELAY_TRY_ASSIGN(auto translated, translate(event));
    if (translated) events.push_back(std::move(*translated));
  }
  std::set<std::size_t> changed;
  command::Step step;
  for (int round = 0;; ++round) {
    BELAY_ASSERT(round < kRoundsMax + static_cast<int>(command_.invocations.size()));
    step = command::step(command_, events, now_);
    changed.insert(step.changed.begin(), step.changed.end());
    for (const auto index : step.changed) BELAY_TRY(settle_progress(index));
    events.clear();
    for (const auto& action : step.actions) {
      BELAY_TRY_ASSIGN(auto answer, act(action));
      if (answer) events.push_back(std::move(*answer));
    }
    if (events.empty()) break;
  }
  BELAY_TRY(save(changed));
  if (step.finished && parent_)
    BELAY_TRY(tell_parent(
        sql_, *parent_,
        {"", std::string(kCommandKind), row_.command_id, row_.status, row_.status_details, row_.error_count}, now_));
  const CommandState state{command_.settings, command_.stopped, command_.cancel_wanted, parent_,
                           make_uuid(io::random_bytes(kIdRandomBytes))};
  if (!step.finished)
    cache_.keep(state.turn, {std::move(row_), std::move(options_), std::move(command_), std::move(invocation_rows_)});
  return ExecutionKind::Advance{json::encode_text(state), step.wake_at, step.finished};
}

Result<std::optional<command::Event>> CommandRun::translate(const store::executions::Event& posted) {
  BELAY_TRY_ASSIGN(const auto event, json::decode_text<NodeEvent>(posted.body));
  if (event.kind == NodeEventKind::cancel)
    return std::optional(command::Event{EventKind::cancel, event.node_id, Phase::waiting, 0, ""});
  const auto at = std::ranges::lower_bound(command_.invocations, event.node_id, {}, &command::Invocation::node_id);
  if (at == command_.invocations.end() || at->node_id != event.node_id) return std::optional<command::Event>();
  const Phase phase = phase_of(event.node_id, event.order_id);
  if (phase == Phase::waiting) return std::optional<command::Event>();
  switch (event.kind) {
    case NodeEventKind::order_taken:
      return std::optional(command::Event{EventKind::taken, event.node_id, phase, 0, "", at->segment});
    case NodeEventKind::scan_ready:
      return std::optional(command::Event{EventKind::scan_ready, event.node_id, phase, 0, "", at->segment});
    case NodeEventKind::order_ended: return order_ended(event.node_id, event.order_id, phase);
    case NodeEventKind::node_removed: {
      BELAY_TRY_ASSIGN(const auto result, result_of(sql_, event.order_id));
      return std::optional(command::Event{EventKind::undeliverable, event.node_id, phase, 0,
                                          result ? why_of(*result) : "the node was removed", at->segment});
    }
    case NodeEventKind::cancel: break;
  }
  return std::optional<command::Event>();
}

Result<std::optional<command::Event>> CommandRun::order_ended(const std::string& node_id, const std::string& order,
                                                              Phase phase) {
  BELAY_TRY_ASSIGN(const auto result, result_of(sql_, order));
  if (!result) return std::optional<command::Event>();
  if (phase == Phase::steps) {
    BELAY_TRY_ASSIGN(auto ended, steps_ended(node_id, *result));
    return std::optional(std::move(ended));
  }
  command::Event event{kind_of(*result, phase), node_id, phase, 0, "", command_.invocations[index_of(node_id)].segment};
  if (event.kind != EventKind::succeeded) event.why = why_of(*result);
  if (event.kind == EventKind::failed && event.why.empty()) event.why = "the node gave no reason";
  if (phase == Phase::plan && event.kind == EventKind::failed)
    BELAY_TRY(record_refusal(node_id, order, result->problems));
  say_what_follows(event);
  return std::optional(std::move(event));
}

CommandRun::Answer CommandRun::act(const command::Action& action) {
  switch (action.kind) {
    case command::ActionKind::send: return send(action);
    case command::ActionKind::judge: return judge_scan(action);
    case command::ActionKind::withdraw: return withdraw(action);
  }
  return std::optional<command::Event>();
}

CommandRun::Answer CommandRun::withdraw(const command::Action& action) {
  const auto order = store::orders::get(sql_, order_id(action.node_id, action.phase));
  if (!order.ok())
    return order.error().code() == Code::not_found ? Answer(std::optional<command::Event>()) : Answer(order.error());
  BELAY_TRY_ASSIGN(const auto cancelled, store::orders::cancel(sql_, order->order_id, now_));
  if (cancelled.state != store::orders::State::cancelled) return std::optional<command::Event>();
  return std::optional(command::Event{EventKind::cancelled, action.node_id, action.phase, 0,
                                      "withdrawn before the node had it", action.segment});
}

CommandRun::Answer CommandRun::send(const command::Action& action) {
  const auto answer = [&](EventKind kind, std::string why) {
    command::Event event{kind, action.node_id, action.phase, 0, std::move(why), action.segment};
    if (kind == EventKind::refused && action.phase != Phase::steps) say_what_follows(event);
    return Answer(std::optional(std::move(event)));
  };
  const auto node = store::nodes::get(sql_, action.node_id);
  if (!node.ok() && node.error().code() != Code::not_found) return node.error();
  if (!node.ok() || node->state != store::nodes::NodeState::active)
    return answer(EventKind::undeliverable, "the node is not registered any more");
  if (action.phase != Phase::steps && node->operating_system.empty())
    return answer(EventKind::invalid_platform, "no patch baseline can be in force on '" + node->facts.os_name + "'");
  wire::Order order;
  order.order_id = order_id(action.node_id, action.phase);
  order.node_id = action.node_id;
  order.issued_at = now_;
  order.expires_at = now_ + command_.settings.timeouts.delivery;
  order.document = row_.document_name;
  order.requested_by = row_.requested_by;
  BELAY_TRY_ASSIGN(const auto refusal, fill_order(action, *node, order));
  if (refusal) return answer(EventKind::refused, *refusal);
  const std::string id = order.order_id;
  const bool own_run = due_ && id == own_run_id(action.node_id, *due_);
  if (own_run) order.due = due_;
  const Status queued = queue_order(sql_, authority_, std::move(order), {std::string(kCommandKind), row_.command_id});
  if (!queued.ok()) {
    const auto code = queued.error().code();
    if (code == Code::not_found || code == Code::permission_denied)
      return answer(EventKind::undeliverable, queued.error().chain());
    if (code == Code::resource_exhausted) return answer(EventKind::refused, queued.error().chain());
    return queued.error();
  }
  invocation_rows_[index_of(action.node_id)].order_id = id;
  if (own_run) return order_ended(action.node_id, id, action.phase);  // the node has told of it already, or has not
  return std::optional<command::Event>();
}

Status CommandRun::save_invocation(std::size_t index) {
  const auto& invocation = command_.invocations[index];
  auto& row = invocation_rows_[index];
  row.status_details = boost::describe::enum_to_string(invocation.details, "?");
  row.status = command::status_of(invocation.details);
  row.started_at = invocation.started_at;
  row.finished_at = invocation.finished_at;
  row.detail = json::encode_text(invocation);
  if (invocation.phase != Phase::ended) return {};
  const auto code = exit_code_.find(row.node_id);
  row.response_code = code != exit_code_.end()                          ? code->second
                      : invocation.details == command::Details::Success ? 0
                      : invocation.started_at                           ? 1
                                                                        : -1;
  std::string output = output_[row.node_id];
  std::string errors = error_output_[row.node_id];
  BELAY_TRY(whole_output(row.node_id, output, errors));
  if (!invocation.why.empty() && errors.find(invocation.why) == std::string::npos)
    errors += (errors.empty() ? "" : "\n") + invocation.why;
  using store::commands::Stream;
  if (!output.empty())
    BELAY_TRY(store::commands::put_output(sql_, row.command_id, row.node_id, Stream::standard_output, output));
  if (!errors.empty())
    BELAY_TRY(store::commands::put_output(sql_, row.command_id, row.node_id, Stream::standard_error, errors));
  row.standard_output = sanitize(output, wire::kOutputBytesMax);
  row.standard_error = sanitize(errors, wire::kOutputBytesMax);
  return {};
}

Status CommandRun::save(const std::set<std::size_t>& changed) {
  std::vector<store::commands::Invocation> rows;
  rows.reserve(changed.size());
  for (const auto index : changed) {
    BELAY_TRY(save_invocation(index));
    rows.push_back(invocation_rows_[index]);
  }
  if (!rows.empty()) BELAY_TRY(store::commands::update_invocations(sql_, rows));
  for (const auto index : changed) {  // as they are read: without what they said
    std::string().swap(invocation_rows_[index].standard_output);
    std::string().swap(invocation_rows_[index].standard_error);
  }
  const auto summary = command::summarize(command_);
  row_.status_details = boost::describe::enum_to_string(summary.details, "?");
  row_.status = command::status_of(summary.details);
  row_.target_count = summary.targets;
  row_.completed_count = summary.completed;
  row_.error_count = summary.errors;
  row_.delivery_timed_out_count = summary.delivery_timed_out;
  return store::commands::update(sql_, row_);
}

}  // namespace belay::server
