// The part of a command's turn that is about its document: what a node's steps said, and what follows them.
#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/document/versions.hpp"
#include "server/engine/command_run.hpp"

namespace belay::server {
namespace {
using command::EventKind;
using command::Phase;
using document::StepStatus;
using store::commands::Stream;

std::string outputs_of(const std::vector<wire::StepOutput>& outputs, const std::vector<std::size_t>& steps,
                       std::string wire::StepOutput::* stream) {
  std::string text;
  for (const auto& output : outputs)
    if (std::ranges::find(steps, output.step) != steps.end()) text += output.*stream;
  return text;
}

EventKind kind_of(const document::Summary& summary) {
  switch (summary.status) {
    case StepStatus::TimedOut: return EventKind::timed_out;
    case StepStatus::Cancelled: return EventKind::cancelled;
    case StepStatus::Success: return EventKind::succeeded;
    default: return EventKind::failed;
  }
}

EventKind kind_of(wire::OrderOutcome outcome) {
  switch (outcome) {
    case wire::OrderOutcome::timed_out: return EventKind::timed_out;
    case wire::OrderOutcome::cancelled: return EventKind::cancelled;
    case wire::OrderOutcome::refused: return EventKind::refused;
    case wire::OrderOutcome::success:
    case wire::OrderOutcome::failed: break;
  }
  return EventKind::failed;
}

}  // namespace

const DocumentProgress& CommandRun::progress(const std::string& node_id) {
  const auto known = progress_.find(node_id);
  if (known != progress_.end()) return known->second;
  const auto& kept = command_.invocations[index_of(node_id)].progress;
  DocumentProgress progress{{}, options_.run};
  if (!kept.empty()) {
    auto read = json::decode_text<DocumentProgress>(kept, {.bytes_max = 8u << 20, .depth_max = 32});
    BELAY_ASSERT(read.ok());  // written by settle_progress() in an earlier turn
    progress = std::move(*read);
  }
  return progress_.emplace(node_id, std::move(progress)).first->second;
}

const std::vector<document::Step>& CommandRun::steps_for(const DocumentProgress& progress) const {
  return progress.steps.empty() ? options_.steps : progress.steps;
}

const PatchOptions& CommandRun::patch_for(const std::string& node_id) {
  const auto& now = progress(node_id);
  const auto& steps = steps_for(now);
  const auto at = step_at_work(steps, now.run);
  BELAY_ASSERT(at && std::holds_alternative<document::Patch>(steps[*at].work));
  const auto& patch = std::get<document::Patch>(steps[*at].work);
  const std::string key = json::encode_text(patch);
  const auto known = patches_.find(key);
  if (known != patches_.end()) return known->second;
  auto options = patch_options(patch);
  BELAY_ASSERT(options.ok());  // checked when the command was sent, or when the local document was expanded
  return patches_.emplace(key, std::move(*options)).first->second;
}

// Whether the event ends its segment is the machine's to say; this is what comes next if it does.
void CommandRun::say_what_follows(command::Event& event) {
  const auto& now = progress(event.node_id);
  if (steps_for(now).size() == 1) return;
  const bool went_well = event.kind != EventKind::failed && event.kind != EventKind::refused &&
                         event.kind != EventKind::forbidden && event.kind != EventKind::timed_out &&
                         event.kind != EventKind::cancelled && event.why.empty() &&
                         !command_.invocations[index_of(event.node_id)].patch_failed;
  DocumentProgress after = now;
  const auto& why = event.why.empty() ? command_.invocations[index_of(event.node_id)].why : event.why;
  const bool leaves = event.kind == EventKind::judged && patch_for(event.node_id).leave_if_nothing_missing &&
                      nothing_missing_[event.node_id];
  const int code = leaves ? document::kLeaveWithSuccess : 0;
  const document::Event ended = went_well ? document::Event{document::EventKind::exited, code, ""}
                                          : document::Event{document::EventKind::failed, 1, why};
  document::step(steps_for(after), after.run, ended, now_);
  say_what_follows(event, std::move(after));
}

void CommandRun::say_what_follows(command::Event& event, DocumentProgress after) {
  const auto& steps = steps_for(after);
  if (step_at_work(steps, after.run)) event.next_segment = segment_for(steps, after.run);
  else if (const auto summary = document::summarize(steps, after.run); summary.status != StepStatus::Success)
    event.failed_before = summary.why;
  after_[event.node_id] = {event.segment, std::move(after), {}};
}

Result<command::Event> CommandRun::steps_ended(const std::string& node_id, const wire::OrderResult& result) {
  command::Event event{is_forbidden(result) ? EventKind::forbidden : kind_of(result.outcome),
                       node_id,
                       Phase::steps,
                       0,
                       "",
                       command_.invocations[index_of(node_id)].segment};
  DocumentProgress after = progress(node_id);
  if (!result.steps || result.steps->run.steps.size() != steps_for(after).size()) {
    event.why = result.steps ? "the node's report does not fit the document" : why_of(result);
    if (event.why.empty() && event.kind != EventKind::cancelled) event.why = "the node gave no reason";
    return event;
  }
  after.run = result.steps->run;
  if (!result.steps->local_document.empty()) {
    const auto expanded = expand_local(after, result.steps->local_document);
    const auto next =
        expanded.ok() ? document::Event{} : document::Event{document::EventKind::failed, 1, expanded.error().chain()};
    document::step(steps_for(after), after.run, next, now_);
  }
  const auto& steps = steps_for(after);
  const auto at = step_at_work(steps, after.run);
  const bool handed_over =
      at && (std::holds_alternative<document::Patch>(steps[*at].work) || !result.steps->local_document.empty());
  if (at && !handed_over)
    document::step(steps, after.run, {document::EventKind::failed, 1, "the node stopped before it had ended"}, now_);
  const auto summary = document::summarize(steps, after.run);
  event.kind = handed_over ? EventKind::succeeded : kind_of(summary);
  event.why = handed_over ? "" : summary.why;
  if (event.kind == EventKind::failed && event.why.empty()) event.why = "the node gave no reason";
  exit_code_[node_id] = summary.exit_code;
  // A success that did nothing at all says so: there is no exit status of what did not run.
  if (std::ranges::all_of(after.run.steps, [](const auto& step) { return step.status == StepStatus::Skipped; }))
    exit_code_[node_id] = -1;
  if (steps.size() == 1) {
    output_[node_id] = outputs_of(result.steps->outputs, {0}, &wire::StepOutput::standard_output);
    error_output_[node_id] = outputs_of(result.steps->outputs, {0}, &wire::StepOutput::standard_error);
    if (event.kind == EventKind::failed) event.why = after.run.steps[0].why;
    if (after.run.steps[0].status == StepStatus::Skipped) error_output_[node_id] = after.run.steps[0].why;
    return event;
  }
  say_what_follows(event, std::move(after));
  after_[node_id].outputs = result.steps->outputs;
  return event;
}

Status CommandRun::expand_local(DocumentProgress& progress, const std::string& text) {
  if (progress.steps.empty()) progress.steps = options_.steps;
  const auto at = step_at_work(progress.steps, progress.run);
  const auto* local = at ? std::get_if<document::RunDocument>(&progress.steps[*at].work) : nullptr;
  if (!local || local->local_path.empty())
    return Error(Code::invalid_argument, "the node sent a document that nobody asked for");
  BELAY_TRY_ASSIGN(const auto read,
                   document::parse_command_document(text, document::guess_format(text)).within(local->local_path));
  BELAY_TRY_ASSIGN(auto inner, document::expand_typed(read, local->parameters, {}, document_resolver(sql_)));
  BELAY_TRY(send_documents_along(sql_, inner));
  for (auto& step : inner) BELAY_TRY(settle_step(step, Fetching::refused).within("step " + step.name));
  return document::splice(progress.steps, progress.run, *at, std::move(inner));
}

// The segment is over, or the invocation is: what was only said until now is so.
Status CommandRun::settle_progress(std::size_t index) {
  auto& invocation = command_.invocations[index];
  const auto found = after_.find(invocation.node_id);
  if (found == after_.end()) return {};
  auto& [segment, after, outputs] = found->second;
  if (invocation.segment == segment && invocation.phase != Phase::ended) return {};
  const auto& before = progress(invocation.node_id);
  const auto at = step_at_work(steps_for(before), before.run);
  if (at && std::holds_alternative<document::Patch>(steps_for(before)[*at].work))
    outputs = {{static_cast<std::uint32_t>(*at), output_[invocation.node_id], error_output_[invocation.node_id]}};
  BELAY_TRY(keep_steps(invocation.node_id, after, outputs));
  BELAY_TRY(keep_output(invocation.node_id, after, outputs));
  output_.erase(invocation.node_id);
  error_output_.erase(invocation.node_id);
  invocation.progress = json::encode_text(after);
  progress_[invocation.node_id] = std::move(after);
  after_.erase(found);
  return {};
}

Status CommandRun::keep_steps(const std::string& node_id, const DocumentProgress& progress,
                              const std::vector<wire::StepOutput>& outputs) {
  std::vector<store::commands::StepRow> rows;
  for (const auto& report : document::report(steps_for(progress), progress.run)) {
    auto& row = rows.emplace_back();
    row.position = static_cast<std::uint32_t>(rows.size() - 1);
    row.name = report.name;
    row.action = report.action;
    row.status = boost::describe::enum_to_string(report.run.status, "?");
    row.response_code = report.run.exit_code;
    row.started_at = report.run.started_at;
    row.finished_at = report.run.finished_at;
    row.standard_output = outputs_of(outputs, report.outputs, &wire::StepOutput::standard_output);
    row.standard_error = outputs_of(outputs, report.outputs, &wire::StepOutput::standard_error);
    if (row.standard_error.empty() && report.run.status != StepStatus::Success) row.standard_error = report.run.why;
  }
  return store::commands::put_steps(sql_, row_.command_id, node_id, rows);
}

// Of a document with several steps: what those of one segment said, behind what those before them did. The rows of the
// steps are cut for show; this is not.
Status CommandRun::keep_output(const std::string& node_id, const DocumentProgress& progress,
                               const std::vector<wire::StepOutput>& outputs) {
  if (steps_for(progress).size() == 1) return {};
  std::string said, complained;
  for (const auto& report : document::report(steps_for(progress), progress.run)) {
    said += outputs_of(outputs, report.outputs, &wire::StepOutput::standard_output);
    const auto errors = outputs_of(outputs, report.outputs, &wire::StepOutput::standard_error);
    if (!errors.empty()) complained += report.name + ": " + errors + "\n";
  }
  BELAY_TRY(add_output(node_id, Stream::standard_output, said));
  return add_output(node_id, Stream::standard_error, complained);
}

Status CommandRun::add_output(const std::string& node_id, Stream stream, const std::string& text) {
  if (text.empty()) return {};
  BELAY_TRY_ASSIGN(const auto before, kept_output(node_id, stream));
  return store::commands::put_output(sql_, row_.command_id, node_id, stream, before + text);
}

Result<std::string> CommandRun::kept_output(const std::string& node_id, Stream stream) {
  auto kept = store::commands::get_output(sql_, row_.command_id, node_id, stream);
  return kept.ok() || kept.error().code() != Code::not_found ? kept : Result<std::string>("");
}

// Of a document with several steps: what each of them said, in order, and why one that said nothing was no success.
Status CommandRun::whole_output(const std::string& node_id, std::string& output, std::string& errors) {
  const auto& now = progress(node_id);
  if (steps_for(now).size() == 1) return {};
  BELAY_TRY_ASSIGN(const auto said, kept_output(node_id, Stream::standard_output));
  BELAY_TRY_ASSIGN(auto complained, kept_output(node_id, Stream::standard_error));
  for (const auto& report : document::report(steps_for(now), now.run)) {
    const std::string line = report.name + ": ";
    const bool silent = !complained.starts_with(line) && complained.find("\n" + line) == std::string::npos;
    if (silent && report.run.status != StepStatus::Success && !report.run.why.empty())
      complained += line + report.run.why + "\n";
  }
  output = said + output;
  errors = complained + errors;
  return {};
}

}  // namespace belay::server
