#include "agent/steps/step_work.hpp"

#include "agent/steps/parts.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr int kSignalExitBase = 128;  // as the shell tells it

}  // namespace

Result<std::string> from_directory(const StepContext& context, const std::string& path) {
  if (path.empty()) return context.directory;
  if (document::leads_out(path))
    return Error(Code::invalid_argument, "'" + sanitize(path, 200) + "' leads out of the run's own directory");
  return path.starts_with('/') ? path : context.directory + "/" + path;
}

StepEnd end_of(const io::ProcessOutcome& outcome, const std::string& program) {
  using End = io::ProcessOutcome::End;
  StepEnd end;
  end.standard_output = sanitize(outcome.standard_output, kStepOutputBytesMax);
  end.standard_error = sanitize(outcome.standard_error, kStepOutputBytesMax);
  switch (outcome.end) {
    case End::exited:
      end.how = StepEnd::How::exited;
      end.exit_code = outcome.exit_status;
      break;
    case End::signalled:
      end.how = StepEnd::How::exited;
      end.exit_code = kSignalExitBase + outcome.signal;
      end.standard_error += (end.standard_error.empty() || end.standard_error.ends_with('\n') ? "" : "\n") + program +
                            " was ended by signal " + std::to_string(outcome.signal) + "\n";
      break;
    case End::timed_out: end.how = StepEnd::How::timed_out; break;
    case End::cancelled: end.how = StepEnd::How::cancelled; break;
  }
  return end;
}

StepEnd failed(std::string why) {
  StepEnd end;
  end.how = StepEnd::How::failed;
  end.standard_error = why + "\n";
  end.why = std::move(why);
  return end;
}

StepEnd succeeded(std::string output) {
  StepEnd end;
  end.how = StepEnd::How::exited;
  end.exit_code = 0;
  end.standard_output = std::move(output);
  return end;
}

bool is_node_work(const document::Step& step) {
  return std::holds_alternative<document::RunShellScript>(step.work) ||
         std::holds_alternative<document::DownloadContent>(step.work) ||
         std::holds_alternative<document::SoftwareInventory>(step.work);
}

StepEnd do_step(const StepTools& tools, const document::Step& step, const StepContext& context) {
  if (const auto* script = std::get_if<document::RunShellScript>(&step.work))
    return run_script(tools, *script, context);
  if (const auto* content = std::get_if<document::DownloadContent>(&step.work))
    return download(tools, *content, context);
  if (const auto* wanted = std::get_if<document::SoftwareInventory>(&step.work))
    return gather_inventory(tools, *wanted, context);
  return failed("this agent does not know how to do " + step.action + "; update it");
}

}  // namespace belay::agent
