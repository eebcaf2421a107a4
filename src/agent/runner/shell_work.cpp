#include "agent/runner/shell_work.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

#include "agent/runner/output_file.hpp"
#include "agent/runner/problems.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr Duration kTimeoutMax{172'800'000};  // as SSM's
constexpr Duration kCancelPoll{100};
constexpr int kSignalExitBase = 128;  // as the shell tells it
constexpr int kExitReboot = 194;      // a script's wish, as SSM's: restart the machine, then run me again
constexpr int kRebootsMax = 8;        // in one order
constexpr Duration kRebootTimeout{900'000};

// What is on the disk before a script runs, and before the machine is told to restart on its behalf.
struct Begun {
  Instant at{};
  std::string boot_id;
  int reboots = 0;
  bool waits_for_reboot = false;
  std::string standard_output, standard_error;  // of the turns before
};
BOOST_DESCRIBE_STRUCT(Begun, (), (at, boot_id, reboots, waits_for_reboot, standard_output, standard_error))

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

std::optional<Begun> read_begun(const WorkTools& tools, const std::string& path) {
  const auto text = tools.files.read(path, 4 * wire::kOutputBytesMax + 4'096);
  if (!text.ok()) return std::nullopt;
  auto begun = json::decode_text<Begun>(*text);
  return begun.ok() ? std::optional(std::move(*begun)) : std::nullopt;
}

// One turn of the script, its output after that of the turns before.
wire::OrderResult run_script(const WorkTools& tools, const StatePaths& paths, const wire::Order& order,
                             const Begun& begun, const std::string& directory) {
  wire::OrderResult result;
  result.order_id = order.order_id;
  result.started_at = begun.at;
  OutputFile output(tools.files, tools.clock, paths.output(order.order_id));
  CancelWatch watch(tools.files, paths.cancel(order.order_id));
  auto spec = spec_of(order, directory);
  spec.cancel = watch.flag();
  const auto ended = tools.processes.run(spec, [&](int, std::string_view text) { output.add(text); });
  if (ended.ok()) {
    tell_end(*ended, result);
  } else {
    result.outcome = wire::OrderOutcome::failed;
    result.problems.push_back(problem_of(ended.error()));
    result.standard_error = result.problems.front().detail + "\n";
  }
  result.standard_output = sanitize(begun.standard_output + result.standard_output, wire::kOutputBytesMax);
  result.standard_error = sanitize(begun.standard_error + result.standard_error, wire::kOutputBytesMax);
  return result;
}

void fail(wire::OrderResult& result, std::string detail, std::string next) {
  result.outcome = wire::OrderOutcome::failed;
  result.problems.push_back({fleet::Reason::reboot_pending, "", std::move(detail), std::move(next), false});
  result.standard_error += result.problems.back().detail + "\n";
}

// Asks for the restart. On a real machine this process ends with its boot, and run_shell_order goes on in the next.
bool restart(const WorkTools& tools, wire::OrderResult& result) {
  const auto asked = ask_for_reboot(tools.host);
  if (asked.ok() && tools.host.await_reboot(kRebootTimeout) == HostControl::Waited::rebooted) return true;
  fail(result,
       asked.ok()
           ? "the script asked for a restart (exit status 194) and it did not come within " + humanize(kRebootTimeout)
           : "the script asked for a restart (exit status 194): " + asked.error().chain(),
       "restart the machine by hand, then order again");
  return false;
}

}  // namespace

Result<wire::OrderResult> run_shell_order(const WorkTools& tools, const StatePaths& paths,
                                          const AcceptedOrder& accepted) {
  const auto& order = accepted.order;
  const auto record = paths.begun(order.order_id);
  BELAY_TRY_ASSIGN(const auto boot_id, tools.host.boot_id());
  Begun begun{tools.clock.now(), boot_id, 0, false, "", ""};
  if (tools.files.info(record).ok()) {
    auto found = read_begun(tools, record);
    if (!found || !found->waits_for_reboot) return interrupted(tools, accepted);
    begun = std::move(*found);
  }
  const auto directory = paths.order_directory(order.order_id) + "/tmp";
  BELAY_TRY(tools.files.make_directories(directory, 0700));
  BELAY_TRY(tools.files.write_durable(directory + "/script", join(order.shell->commands, "\n") + "\n", 0700));

  wire::OrderResult result;
  while (true) {
    if (begun.waits_for_reboot) {
      result.order_id = order.order_id;
      result.started_at = begun.at;
      result.exit_code = kExitReboot;
      result.standard_output = begun.standard_output;
      result.standard_error = begun.standard_error;
      BELAY_TRY_ASSIGN(const auto boot_now, tools.host.boot_id());
      if (begun.boot_id == boot_now && !restart(tools, result)) break;
    }
    BELAY_TRY_ASSIGN(begun.boot_id, tools.host.boot_id());
    begun.waits_for_reboot = false;
    BELAY_TRY(tools.files.write_durable(record, json::encode_text(begun), 0600));
    result = run_script(tools, paths, order, begun, directory);
    if (result.outcome != wire::OrderOutcome::failed || result.exit_code != kExitReboot) break;
    if (begun.reboots >= kRebootsMax) {
      fail(result,
           "the script asked for another restart (exit status 194) after " + std::to_string(kRebootsMax) +
               ", which is as many as one order gets",
           "look at why the script never ends, then order again");
      break;
    }
    begun.reboots += 1;
    begun.waits_for_reboot = true;
    begun.standard_output = result.standard_output;
    begun.standard_error = result.standard_error;
    BELAY_TRY(tools.files.write_durable(record, json::encode_text(begun), 0600));
  }
  result.finished_at = tools.clock.now();
  static_cast<void>(tools.files.remove_tree(directory));
  return result;
}

}  // namespace belay::agent
