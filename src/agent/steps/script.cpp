#include <algorithm>

#include "agent/steps/parts.hpp"
#include "base/text.hpp"
#include "core/fleet/operating_system.hpp"

namespace belay::agent {
namespace {

constexpr Duration kTimeoutMax{172'800'000};  // as SSM's
constexpr std::size_t kOsReleaseBytesMax = 64 << 10;
constexpr const char* kRegion = "local";  // one installation is one region, as ListNodes says it

// As amazon-ssm-agent tells scripts where they are; read anew, since a run may upgrade the system.
void describe_platform(const StepTools& tools, std::map<std::string, std::string>& environment) {
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    const auto text = tools.files.read(path, kOsReleaseBytesMax);
    if (!text.ok()) continue;
    environment["AWS_SSM_PLATFORM_NAME"] = fleet::os_release_value(*text, "NAME");
    environment["AWS_SSM_PLATFORM_VERSION"] = fleet::os_release_value(*text, "VERSION_ID");
    return;
  }
}

std::map<std::string, std::string> environment_of(const StepTools& tools, const document::RunShellScript& script,
                                                  const StepContext& context) {
  auto environment = io::plain_environment();
  for (const auto& [name, value] : script.environment) environment[name] = value;
  environment["TMPDIR"] = context.directory;
  environment["AWS_SSM_REGION_NAME"] = kRegion;
  describe_platform(tools, environment);
  environment["BELAY_NODE_ID"] = environment["AWS_SSM_INSTANCE_ID"] = context.node_id;
  environment["BELAY_ORDER_ID"] = context.order_id;
  return environment;
}

// By what the first line names ("#!/bin/bash -e": the rest of the line is one argument, as the kernel has it), else by
// the shell. Named here and not left to the kernel, which refuses where the file system is mounted noexec.
std::vector<std::string> command_of(const document::RunShellScript& script, const std::string& path) {
  const std::string_view first = script.commands.empty() ? std::string_view() : script.commands.front();
  const auto line = first.starts_with("#!") ? trim(first.substr(2, first.find('\n') - 2)) : std::string_view();
  if (line.empty()) return {"/bin/sh", path};
  const auto end = std::min(line.find_first_of(" \t"), line.size());
  std::vector<std::string> command{std::string(line.substr(0, end))};
  if (const auto argument = trim(line.substr(end)); !argument.empty()) command.emplace_back(argument);
  command.push_back(path);
  return command;
}

}  // namespace

StepEnd run_script(const StepTools& tools, const document::RunShellScript& script, const StepContext& context) {
  const auto where = from_directory(context, script.working_directory);
  if (!where.ok()) return failed("workingDirectory: " + where.error().message());
  const auto path = context.directory + "/.script";
  const auto written = tools.files.write_durable(path, join(script.commands, "\n") + "\n", 0700);
  if (!written.ok()) return failed("the script cannot be put down: " + written.error().chain());
  io::ProcessSpec spec;
  spec.argv = command_of(script, path);
  spec.environment = environment_of(tools, script, context);
  spec.working_directory = *where;
  spec.timeout = std::clamp(script.timeout, Duration(1'000), kTimeoutMax);
  spec.output_bytes_max = kProcessOutputBytesMax;
  spec.cancel = context.cancel;
  const auto ended = tools.processes.run(spec, [&](int, std::string_view text) {
    if (context.output) context.output(text);
  });
  static_cast<void>(tools.files.remove(path));
  if (!ended.ok()) return failed(ended.error().chain());
  return end_of(*ended, "the script");
}

}  // namespace belay::agent
