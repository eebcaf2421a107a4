#include "main/agent_program.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/inventory/inventory.hpp"
#include "agent/probes/probes.hpp"
#include "agent/runner/agent.hpp"
#include "agent/runner/enrolment.hpp"
#include "agent/runner/node_policy.hpp"
#include "agent/runner/order_work.hpp"
#include "base/error_table.hpp"
#include "base/log.hpp"
#include "base/next_step.hpp"
#include "base/text.hpp"
#include "io/http.hpp"
#include "io/process_start.hpp"
#include "io/system_clock.hpp"
#include "main/agent_command_line.hpp"
#include "main/agent_settings.hpp"
#include "main/local_scan.hpp"
#include "main/print.hpp"
#include "main/rollback.hpp"
#include "main/snapshot_taker.hpp"
#include "main/snapshots_command.hpp"

namespace belay {
namespace {

struct Options {
  std::string config = kAgentConfigDefault;
  AgentSettings given;  // on the command line
  std::string activation_id, activation_code, ca_file, ca_sha256;
  bool force = false, detach = false, refresh = false;
  RollbackRequest rollback;
  bool may_reboot = false;
  std::string order_id;
  std::string output = "table";
  PackageManagerMaker make_packages;
  SnapshotsMaker make_snapshots;
  SnapshotsRequest snapshots;
  std::string snapshot_settings{agent::kSnapshotSettingsDefault};
};

constexpr std::size_t kCodeBytesMax = 4'096;

using Snapshots = std::vector<std::unique_ptr<agent::SnapshotProvider>>;

int fail(const Error& error) {
  print_error("belay-agent: " + error.chain() + "\n  what to do: " + std::string(next_step(error)) + "\n");
  return meaning(error.code()).exit_status;
}

Result<AgentSettings> settle(const Options& options) {
  BELAY_TRY_ASSIGN(auto settings, read_agent_settings(io::real_files(), options.config));
  const auto prefer = [](std::string& setting, const std::string& given) {
    if (!given.empty()) setting = given;
  };
  prefer(settings.server, options.given.server);
  prefer(settings.state, options.given.state);
  prefer(settings.lists, options.given.lists);
  prefer(settings.policy, options.given.policy);
  if (settings.policy.empty()) settings.policy = agent::kPolicyFileDefault;
  if (settings.state.empty()) settings.state = agent::kStateDirectoryDefault;
  return settings;
}

// Without TLS only what a checksum is known for; core/document refuses the rest.
Result<std::string> fetch_for_a_step(const std::string& url) { return io::fetch(url, {.plain_http = true}); }

agent::Host real_host() { return {io::real_files(), io::real_processes(), io::system_clock()}; }

Result<std::unique_ptr<agent::PackageManager>> package_manager(const Options& options, const AgentSettings& settings) {
  agent::PackageManagerOptions places;
  places.lists_directory = settings.lists;
  if (!settings.lists.empty()) places.cache_directory = settings.lists + "-cache";
  return options.make_packages(real_host(), places);
}

fleet::NodeFacts facts() { return agent::collect_facts(io::real_files(), io::real_processes()); }

Result<Snapshots> snapshot_providers(const Options& options, const agent::StatePaths& paths) {
  if (!options.make_snapshots) return Snapshots();
  BELAY_TRY_ASSIGN(const auto settings, snapshot_settings(io::real_files(), paths, options.snapshot_settings));
  return options.make_snapshots(io::real_files(), io::real_processes(), io::system_clock(), settings);
}

// An order is worked on also where the settings are of no use: whoever wants a snapshot for it is told then.
Snapshots snapshots_of_an_order(const Options& options, const agent::StatePaths& paths) {
  auto made = snapshot_providers(options, paths);
  if (made.ok()) return std::move(*made);
  log::error("snapshot_settings_unusable", {{"why", made.error()}});
  Snapshots none;
  none.push_back(agent::make_unusable(made.error()));
  return none;
}

int snapshots(const Options& options) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  const agent::StatePaths paths(settings->state);
  if (::geteuid() != 0)
    return fail(Error(Code::permission_denied, "only root sees and makes snapshots; try: sudo belay-agent snapshots"));
  const auto providers = snapshot_providers(options, paths);
  if (!providers.ok()) return fail(providers.error());
  return run_snapshots_command(io::real_files(), io::system_clock(), paths, *providers, options.snapshots);
}

// The code from where it does not show in a process list.
Result<std::string> activation_code(const Options& options) {
  std::string code = options.activation_code;
  if (code.empty())
    if (const char* from_environment = std::getenv("BELAY_ACTIVATION_CODE")) code = from_environment;
  if (code == "-") code = read_line(kCodeBytesMax);
  code = trim(code);
  if (code.empty())
    return Error(
        Code::invalid_argument,
        "no activation code: give --activation-code, BELAY_ACTIVATION_CODE, or - and the code on standard input");
  return code;
}

int enroll(const Options& options) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  auto& files = io::real_files();
  agent::EnrolmentRequest request;
  request.server = settings->server;
  if (request.server.empty())
    return fail(
        Error(Code::invalid_argument, "no server: give --server https://HOST:PORT or set it in " + options.config));
  request.activation_id = options.activation_id;
  const auto code = activation_code(options);
  if (!code.ok()) return fail(code.error());
  request.activation_code = *code;
  if (!options.ca_file.empty()) {
    const auto ca = files.read(options.ca_file, 256 << 10);
    if (!ca.ok()) return fail(ca.error().within("the authority's certificate cannot be read"));
    request.ca_pem = *ca;
  }
  request.ca_sha256_hex = options.ca_sha256;
  request.force = options.force;
  request.facts = facts();
  const agent::StatePaths paths(settings->state);
  if (const auto made = files.make_directories(settings->state, 0700); !made.ok()) return fail(made.error());
  const auto identity = agent::enroll(files, paths, request, io::system_clock().now());
  if (!identity.ok()) return fail(identity.error().within("this machine could not be enrolled"));
  print("enrolled as " + identity->node_id + " at " + identity->server + "\n");
  return kExitOk;
}

// Starts this program again for an order, so that it finds the same state.
std::unique_ptr<agent::Launcher> launcher_of(const AgentSettings& settings, const Options& options,
                                             const std::string& program) {
  std::vector<std::string> arguments{"--config", options.config, "--state", settings.state};
  if (!settings.lists.empty()) arguments.insert(arguments.end(), {"--lists", settings.lists});
  if (settings.policy != agent::kPolicyFileDefault) arguments.insert(arguments.end(), {"--policy", settings.policy});
  return agent::make_launcher(io::real_files(), io::real_processes(), program, arguments);
}

// Leaves only where the program cannot be begun anew; whoever watches over this process begins it then.
int begin_anew(const std::string& program, char** argv) {
  ::execv(program.c_str(), argv);
  return fail(Error(Code::internal, program + " cannot be begun anew"));
}

std::vector<backup::WatchReport> watch_backups(const agent::StatePaths& paths,
                                               const std::vector<backup::Watch>& watches) {
  const agent::BackupHost host{io::real_files(), io::real_processes(), io::system_clock(),
                               paths.backups() + "/watching", paths.backups()};
  std::vector<backup::WatchReport> reports;
  for (const auto& watch : watches) reports.push_back(agent::make_engine(host, watch.source.engine)->watch(watch));
  return reports;
}

int run(const Options& options, const std::string& program, char** argv) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  const agent::StatePaths paths(settings->state);
  const auto launcher = launcher_of(*settings, options, program);

  io::EventLoop loop;
  io::WorkerPool workers(2, 16);
  bool anew = false;
  agent::AgentParts parts{loop, workers, io::real_files(), io::system_clock(), paths, *launcher, facts, {}, {}};
  std::unique_ptr<agent::Agent> running;
  parts.watch_backups = [&](const auto& watches) { return watch_backups(paths, watches); };
  parts.restart = [&] {
    anew = true;
    running->stop();
    loop.stop();
  };
  auto agent = agent::Agent::make(std::move(parts));
  if (!agent.ok()) return fail(agent.error());
  running = std::move(*agent);
  loop.on_termination([&] {
    log::info("agent_stops");
    running->stop();
    loop.stop();
  });
  running->start();
  loop.run();
  return anew ? begin_anew(program, argv) : kExitOk;
}

int scan(const Options& options) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  const auto packages = package_manager(options, *settings);
  if (!packages.ok()) return fail(packages.error());
  auto scanned = scan_locally(**packages, facts(), io::system_clock().now(), options.refresh);
  if (!scanned.ok()) return fail(scanned.error().within("this machine could not be scanned"));
  scanned->processes_unseen = agent::processes_out_of_sight(io::real_files());
  print(options.output == "json" ? to_json(*scanned) : to_table(*scanned));
  return kExitOk;
}

int check_policy(const Options& options) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  const auto read = agent::read_node_policy(io::real_files(), settings->policy);
  if (!read.ok() && read.error().code() == Code::not_found)
    return print("there is no " + settings->policy + ": everything is allowed\n"), kExitOk;
  if (!read.ok()) return fail(read.error());
  for (const auto& line : policy::describe(read->policy)) print(line + "\n");
  return kExitOk;
}

int rollback(Options& options, const std::string& program) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  if (::geteuid() != 0)
    return fail(Error(Code::permission_denied, "only root may roll back this machine; try: sudo belay-agent rollback"));
  const auto packages = package_manager(options, *settings);
  if (!packages.ok()) return fail(packages.error());
  if (options.may_reboot) options.rollback.reboot = patchrun::Reboot::if_needed;
  return roll_back(io::real_files(), io::system_clock(), agent::StatePaths(settings->state), **packages,
                   *launcher_of(*settings, options, program), options.rollback);
}

// Leaves the caller's session and process group, so that nothing which ends the caller ends this. The parent returns
// only when that is done.
bool detach(const std::string& log_path) {
  int ready[2];
  if (::pipe2(ready, O_CLOEXEC) != 0) return false;
  const pid_t child = ::fork();
  if (child < 0) return false;
  if (child > 0) {
    ::close(ready[1]);
    char byte = 0;
    const bool started = ::read(ready[0], &byte, 1) == 1;
    ::_exit(started ? 0 : 1);
  }
  ::setsid();
  ::umask(077);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (nothing < 0 || log < 0 || ::dup2(nothing, 0) < 0 || ::dup2(nothing, 1) < 0 || ::dup2(log, 2) < 0) ::_exit(1);
  const char byte = 'r';
  if (::write(ready[1], &byte, 1) != 1) ::_exit(1);
  ::close(ready[0]);
  ::close(ready[1]);
  return true;
}

class InventoryRebootCheck final : public agent::RebootCheck {
 public:
  Result<bool> required() override {
    agent::InventoryOptions quick;
    quick.services = false;
    quick.stale_processes = quick.storage = false;
    return agent::collect_facts(io::real_files(), io::real_processes(), quick).reboot_required;
  }
};

agent::ProbeSeams real_seams() {
  return {io::real_files(), io::real_processes(), io::system_clock(), io::real_reach()};
}

int run_order(const Options& options, const std::string& program) {
  const auto settings = settle(options);
  if (!settings.ok()) return fail(settings.error());
  const agent::StatePaths paths(settings->state);
  // The id becomes a path: only what the order book knows is touched.
  if (!agent::OrderBook(io::real_files(), paths).knows(options.order_id))
    return fail(
        Error(Code::not_found, "order '" + sanitize(options.order_id, 80) + "' is not open under " + settings->state));
  if (options.detach && !detach(paths.order_directory(options.order_id) + "/log"))
    return fail(Error(Code::internal, "the process could not detach"));
  const auto packages = package_manager(options, *settings);
  if (!packages.ok()) {
    log::error("order_failed", {{"order", options.order_id}, {"why", packages.error()}});
    return fail(packages.error());
  }
  InventoryRebootCheck reboot_check;
  const auto host = agent::make_host_control(io::real_files(), io::real_processes(), reboot_check);
  const auto own_identity = [&] { return agent::load_identity(io::real_files(), paths); };
  const auto pool = agent::make_package_pool(io::real_files(), *host, own_identity);
  const auto snapshots = snapshots_of_an_order(options, paths);
  std::vector<agent::SnapshotProvider*> ways_back;
  for (const auto& provider : snapshots) ways_back.push_back(provider.get());
  const agent::WorkTools tools{io::real_files(),
                               io::real_processes(),
                               io::system_clock(),
                               **packages,
                               *host,
                               ways_back,
                               [](const auto& specs) { return agent::make_probes(specs, real_seams()); },
                               facts,
                               {io::real_files(), io::real_processes(), fetch_for_a_step},
                               settings->policy,
                               program,
                               [&](const std::string& sha256) -> Result<std::string> {
                                 BELAY_TRY_ASSIGN(const auto identity, own_identity());
                                 return agent::fetch_program(identity, sha256);
                               },
                               [&](const std::string& order_id) -> Result<agent::Secrets> {
                                 BELAY_TRY_ASSIGN(const auto identity, own_identity());
                                 return agent::fetch_secrets(identity, order_id);
                               },
                               [&](agent::BackupHost host, const backup::Job& job, const agent::Secrets& secrets) {
                                 host.take_snapshot = [&](const auto& wish) { return take_snapshot(ways_back, wish); };
                                 return agent::do_job(host, job, secrets);
                               },
                               pool.get()};
  const auto done = agent::work_on_order(tools, paths, options.order_id);
  if (done.ok()) return kExitOk;
  log::error("order_failed", {{"order", options.order_id}, {"why", done.error()}});
  return meaning(done.error().code()).exit_status;
}

// At the start: after an upgrade of the agent the link of a running process names a deleted file.
std::string own_program() {
  const auto path = io::real_files().read_link("/proc/self/exe");
  return path.ok() ? *path : "belay-agent";
}

std::string default_of(std::string_view value) { return "(default " + std::string(value) + ")"; }

AgentArgument config_argument(Options& options) { return {"--config", "configuration file", &options.config}; }
AgentArgument state_argument(Options& options) {
  return {"--state", "state directory " + default_of(agent::kStateDirectoryDefault), &options.given.state};
}
AgentArgument policy_argument(Options& options) {
  return {"--policy", "policy file " + default_of(agent::kPolicyFileDefault), &options.given.policy};
}
AgentArgument lists_argument(Options& options) {
  return {"--lists", "use package lists of Belay's own in this directory; the host's are not touched",
          &options.given.lists};
}

AgentCommand enroll_command(Options& options) {
  return {"enroll",
          "make this machine a node of a server",
          {config_argument(options),
           state_argument(options),
           {"--server", "https://HOST:PORT", &options.given.server},
           {.name = "--activation-id",
            .help = "from `belay activation create`",
            .into = &options.activation_id,
            .required = true},
           {"--activation-code", "its code; - reads it from standard input (better), as does BELAY_ACTIVATION_CODE",
            &options.activation_code},
           {.name = "--ca",
            .help = "PEM file of the server's authority",
            .into = &options.ca_file,
            .excludes = "--ca-sha256"},
           {.name = "--ca-sha256",
            .help = "or its fingerprint, 64 hexadecimal digits",
            .into = &options.ca_sha256,
            .excludes = "--ca"},
           {"--force", "give up the identity that this machine has", &options.force}},
          [&options] { return enroll(options); }};
}

AgentCommand scan_command(Options& options) {
  return {"scan",
          "judge this machine here and now; needs no server and no root",
          {config_argument(options),
           state_argument(options),
           lists_argument(options),
           {.name = "-o,--output", .help = "table or json", .into = &options.output, .choices = {"table", "json"}},
           {"--refresh", "fetch the package lists first", &options.refresh}},
          [&options] { return scan(options); }};
}

AgentCommand rollback_command(Options& options, const std::string& program) {
  return {"rollback",
          "undo the last run on this machine by hand; needs no server, but root",
          {config_argument(options),
           state_argument(options),
           lists_argument(options),
           {"--yes", "do it; else it is only said what would be done", &options.rollback.yes},
           {"--reboot", "restart the machine afterwards if that is needed", &options.may_reboot}},
          [&options, &program] { return rollback(options, program); }};
}

AgentCommand order_command(Options& options, const std::string& program) {
  return {"run-order",
          "work on one accepted order (the agent's own doing)",
          {config_argument(options),
           state_argument(options),
           policy_argument(options),
           lists_argument(options),
           {.name = "order-id", .help = "", .into = &options.order_id, .required = true},
           {"--detach", "", &options.detach}},
          [&options, &program] { return run_order(options, program); },
          true};
}

// `own` are the arguments that this one takes besides.
AgentCommand snapshots_command(Options& options, std::string_view name, std::string_view what,
                               std::vector<AgentArgument> own) {
  auto& request = options.snapshots;
  std::vector<AgentArgument> arguments{config_argument(options),
                                       state_argument(options),
                                       {"--settings", "settings of the providers", &options.snapshot_settings},
                                       {"--provider", "only this one", &request.provider}};
  for (auto& argument : own) arguments.push_back(std::move(argument));
  const auto act = [&options, &request, verb = name.substr(name.find(' ') + 1)] {
    request.verb = verb;
    if (request.mounts.empty()) request.mounts = {"/"};
    return snapshots(options);
  };
  return {name, what, std::move(arguments), act};
}

std::vector<AgentCommand> commands_of_the_agent(Options& options, const std::string& program, char** argv) {
  auto& request = options.snapshots;
  const AgentArgument mounts{"mounts", "what it is to cover (default /)", &request.mounts};
  const AgentArgument id{.name = "id", .help = "", .into = &request.id, .required = true};
  const AgentArgument new_id{.name = "id", .help = "the name to take it under", .into = &request.id, .required = true};
  const AgentArgument yes{"--yes", "do it; else it is only said what would be done", &request.yes};
  const AgentArgument policy_file{"file", default_of(agent::kPolicyFileDefault), &options.given.policy};
  return {
      enroll_command(options),
      {"run",
       "stay connected to the server and carry out its orders",
       {config_argument(options), state_argument(options), policy_argument(options), lists_argument(options)},
       [&options, &program, argv] { return run(options, program, argv); }},
      scan_command(options),
      rollback_command(options, program),
      order_command(options, program),
      {"policy", "this machine's own policy: what a server may do here"},
      {"policy check",
       "say what the policy file allows, or what is wrong with it",
       {config_argument(options), policy_file},
       [&options] { return check_policy(options); }},
      {"snapshots", "file system and volume snapshots on this machine; needs root"},
      snapshots_command(options, "snapshots list", "what is there, and what of it is a leftover", {}),
      snapshots_command(options, "snapshots check", "what each provider could take here, or why not", {mounts}),
      snapshots_command(options, "snapshots take", "take one", {new_id, mounts}),
      snapshots_command(options, "snapshots restore", "put the old state back", {id, yes}),
      snapshots_command(options, "snapshots remove", "let go of one", {id, yes}),
      {"version", "print the version", {}, [] { return print("belay-agent " BELAY_VERSION "\n"), kExitOk; }},
  };
}

}  // namespace

// A report that could not be written, or not all of it, is no success.
static int after_writing(int status) {
  if ((std::fflush(stdout) == 0 && std::ferror(stdout) == 0) || status != kExitOk) return status;
  print_error("belay-agent: what it had to say could not be written to standard output\n");
  return 1;
}

int run_agent_program(int argc, char** argv, PackageManagerMaker make_packages, SnapshotsMaker make_snapshots) {
  io::prepare_static_process();
  const auto program = own_program();
  Options options;
  options.make_packages = std::move(make_packages);
  options.make_snapshots = std::move(make_snapshots);
  const auto commands = commands_of_the_agent(options, program, argv);
  const std::vector<std::string> given(argv + std::min(argc, 1), argv + argc);
  const auto chosen = choose_command(commands, given);
  if (!chosen.ok()) {
    print_error(chosen.error().message() + "\nRun with --help for more information.\n");
    return kExitUsage;
  }
  if (chosen->help.empty()) return after_writing(chosen->command->act());
  print(chosen->help);
  return after_writing(kExitOk);
}

}  // namespace belay
