#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "agent/backup/call_spec.hpp"

namespace belay::agent::backups {
namespace {
constexpr std::size_t kOutputBytesMax = 256 << 10;
constexpr Duration kAfterKill{60'000};
}  // namespace

struct DrillServer::Impl {
  std::string program;
  std::mutex mutex;
  std::condition_variable changed;
  int process = 0;  // once it runs
  std::optional<Result<io::ProcessOutcome>> ended;
  std::string output;
  std::atomic<int> signal{0};
  std::thread thread;  // the server dies with it

  void add(std::string_view text) {
    const std::scoped_lock lock(mutex);
    output += text;
    if (output.size() > 2 * kOutputBytesMax) output.erase(0, output.size() - kOutputBytesMax);
  }
  void set_process(int id) {
    const std::scoped_lock lock(mutex);
    process = id;
    changed.notify_all();
  }
  void set_ended(Result<io::ProcessOutcome> result) {
    const std::scoped_lock lock(mutex);
    ended = std::move(result);
    changed.notify_all();
  }
  bool wait_for_end(Duration patience) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, patience, [&] { return ended.has_value(); });
  }
};

DrillServer::DrillServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DrillServer::DrillServer(DrillServer&&) noexcept = default;

Result<DrillServer> DrillServer::start(const BackupHost& host, const backup::Job& job, Call server) {
  auto impl = std::make_unique<Impl>();
  impl->program = server.argv.front();
  server.isolated = true;
  server.timeout = job.limits.timeout;
  BELAY_TRY_ASSIGN(auto spec, spec_of(host, job, std::move(server)));
  spec.started = [state = impl.get()](int id) { state->set_process(id); };
  spec.send_signal = &impl->signal;
  impl->thread = std::thread([state = impl.get(), &processes = host.processes, spec = std::move(spec)] {
    state->set_ended(processes.run(spec, [state](int, std::string_view text) { state->add(text); }));
  });
  {
    std::unique_lock lock(impl->mutex);
    impl->changed.wait(lock, [&] { return impl->process != 0 || impl->ended; });
    if (impl->ended && !impl->ended->ok()) {
      const auto error = impl->ended->error();
      lock.unlock();
      impl->thread.join();
      return error.within("the server of the drill cannot be started");
    }
  }
  return DrillServer(std::move(impl));
}

DrillServer::~DrillServer() {
  if (!impl_) return;
  impl_->signal = SIGKILL;
  impl_->thread.join();
}

bool DrillServer::is_running() const {
  const std::scoped_lock lock(impl_->mutex);
  return !impl_->ended;
}

std::string DrillServer::output() const {
  const std::scoped_lock lock(impl_->mutex);
  return impl_->output;
}

std::optional<io::ProcessOutcome> DrillServer::outcome() const {
  const std::scoped_lock lock(impl_->mutex);
  if (!impl_->ended || !impl_->ended->ok()) return std::nullopt;
  return **impl_->ended;
}

Result<io::ProcessOutcome> DrillServer::call(const BackupHost& host, const backup::Job& job, Call client) const {
  const auto sink = client.sink;
  client.isolated = false;
  BELAY_TRY_ASSIGN(auto spec, spec_of(host, job, std::move(client)));
  if (spec.user_id == 0) spec.reads_all = true;
  spec.isolation.reset();  // it goes within the walls of the server
  {
    const std::scoped_lock lock(impl_->mutex);
    if (impl_->ended)
      return Error(Code::unavailable,
                   "the server of the drill has ended" +
                       (impl_->ended->ok() ? ": " + how_it_ended(**impl_->ended) : std::string()),
                   "drill-server-down");
    spec.beside = impl_->process;
  }
  return host.processes.run(spec, sink);
}

Status DrillServer::stop(int signal, Duration patience) {
  impl_->signal = signal;
  if (impl_->wait_for_end(patience)) return {};
  impl_->signal = SIGKILL;
  if (!impl_->wait_for_end(kAfterKill))
    return Error(Code::internal, impl_->program + " does not end even on SIGKILL", "unkillable");
  return Error(Code::timed_out, impl_->program + " did not stop within " + humanize(patience) + " and was killed");
}

}  // namespace belay::agent::backups
