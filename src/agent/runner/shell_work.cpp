#include "agent/runner/shell_work.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "agent/runner/output_file.hpp"
#include "agent/runner/problems.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr Duration kTimeoutMax{172'800'000};  // as SSM's
constexpr Duration kCancelPoll{100};
constexpr int kSignalExitBase = 128;  // as the shell tells it

// Passes the cancel file on to the running process.
class CancelWatch {
 public:
  CancelWatch(const io::Files& files, std::string path)
      : thread_([this, &files, path = std::move(path)](std::stop_token stop) {
          while (!stop.stop_requested() && !cancelled_) {
            if (files.info(path).ok()) cancelled_ = true;
            std::this_thread::sleep_for(kCancelPoll);
          }
        }) {}
  const std::atomic<bool>* flag() const { return &cancelled_; }

 private:
  std::atomic<bool> cancelled_ = false;
  std::jthread thread_;
};

io::ProcessSpec spec_of(const wire::Order& order, const std::string& directory) {
  io::ProcessSpec spec;
  spec.argv = {"/bin/sh", directory + "/script"};
  spec.environment = io::plain_environment();
  spec.environment["TMPDIR"] = directory;
  spec.environment["BELAY_NODE_ID"] = order.node_id;
  spec.environment["BELAY_ORDER_ID"] = order.order_id;
  spec.environment["AWS_SSM_INSTANCE_ID"] = order.node_id;
  spec.working_directory = order.shell->working_directory.empty() ? "/" : order.shell->working_directory;
  spec.timeout = std::clamp(order.shell->timeout, Duration(1'000), kTimeoutMax);
  spec.output_bytes_max = wire::kOutputBytesMax;
  return spec;
}

void tell_end(const io::ProcessOutcome& ended, wire::OrderResult& result) {
  using End = io::ProcessOutcome::End;
  result.standard_output = sanitize(ended.standard_output, wire::kOutputBytesMax);
  result.standard_error = sanitize(ended.standard_error, wire::kOutputBytesMax);
  switch (ended.end) {
    case End::exited: result.exit_code = ended.exit_status; break;
    case End::signalled: result.exit_code = kSignalExitBase + ended.signal; break;
    case End::timed_out:
    case End::cancelled: result.exit_code = -1; break;
  }
  if (ended.success()) result.outcome = wire::OrderOutcome::success;
  else if (ended.end == End::timed_out) result.outcome = wire::OrderOutcome::timed_out;
  else if (ended.end == End::cancelled) result.outcome = wire::OrderOutcome::cancelled;
  else result.outcome = wire::OrderOutcome::failed;
}

wire::OrderResult interrupted(const WorkTools& tools, const AcceptedOrder& accepted) {
  wire::OrderResult result;
  result.order_id = accepted.order.order_id;
  result.started_at = accepted.accepted_at;
  result.finished_at = tools.clock.now();
  result.outcome = wire::OrderOutcome::failed;
  result.problems.push_back({fleet::Reason::other, "",
                             "the process that ran the script was killed, or the machine restarted; "
                             "how far the script came is not known, and it is not run twice",
                             "look at the node, then order again", false});
  result.standard_error = result.problems.front().detail + "\n";
  return result;
}

}  // namespace

Result<wire::OrderResult> run_shell_order(const WorkTools& tools, const StatePaths& paths,
                                          const AcceptedOrder& accepted) {
  const auto& order = accepted.order;
  if (tools.files.info(paths.begun(order.order_id)).ok()) return interrupted(tools, accepted);
  const auto directory = paths.order_directory(order.order_id) + "/tmp";
  BELAY_TRY(tools.files.make_directories(directory, 0700));
  BELAY_TRY(tools.files.write_durable(directory + "/script", join(order.shell->commands, "\n") + "\n", 0700));
  BELAY_TRY(tools.files.write_durable(paths.begun(order.order_id), to_iso8601(tools.clock.now()), 0600));

  wire::OrderResult result;
  result.order_id = order.order_id;
  result.started_at = tools.clock.now();
  {
    OutputFile output(tools.files, tools.clock, paths.output(order.order_id));
    CancelWatch watch(tools.files, paths.cancel(order.order_id));
    auto spec = spec_of(order, directory);
    spec.cancel = watch.flag();
    const auto ended = tools.processes.run(spec, [&](int, std::string_view text) { output.add(text); });
    if (ended.ok()) tell_end(*ended, result);
    else {
      result.outcome = wire::OrderOutcome::failed;
      result.problems.push_back(problem_of(ended.error()));
      result.standard_error = result.problems.front().detail + "\n";
    }
  }
  result.finished_at = tools.clock.now();
  static_cast<void>(tools.files.remove_tree(directory));
  return result;
}

}  // namespace belay::agent
