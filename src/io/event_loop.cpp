#include "io/event_loop.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <csignal>

#include "io/event_loop_impl.hpp"
#include "io/posix.hpp"

namespace belay::io {
namespace {

// A deadline of "never" must not overflow the clock.
constexpr Duration kDelayMax = std::chrono::hours(24 * 3650);

Duration steady_now() { return std::chrono::floor<Duration>(std::chrono::steady_clock::now().time_since_epoch()); }

}  // namespace

bool LoopPort::post(std::function<void()> task) {
  const std::scoped_lock lock(mutex_);
  if (!context_) return false;
  boost::asio::post(*context_, std::move(task));
  return true;
}

EventLoop::Impl::Impl()
    : wheel(steady_now, [this](Duration at) { arm_wheel(at); }),
      guard(boost::asio::make_work_guard(context)),
      port(std::make_shared<LoopPort>(context)) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that went away must not kill us
}

EventLoop::Impl::~Impl() {
  while (!at_end.empty()) {
    const auto leave = at_end.begin()->second;
    leave();
  }
  const std::scoped_lock lock(port->mutex_);
  port->context_ = nullptr;
}

void EventLoop::Impl::arm_wheel(Duration at) {
  wheel_timer.expires_at(std::chrono::steady_clock::time_point(at));
  wheel_timer.async_wait([this](const boost::system::error_code& failure) {
    if (!failure) wheel.fire();
  });
}

EventLoop::EventLoop() : impl_(std::make_unique<Impl>()) {}

// First the way in is closed, then what waits is destroyed: frames of coroutines, with the connections they own.
EventLoop::~EventLoop() = default;

void EventLoop::run() {
  impl_->port->thread_ = std::this_thread::get_id();
  impl_->context.run();
  impl_->port->thread_ = std::thread::id();
}

void EventLoop::stop() { impl_->context.stop(); }

void EventLoop::post(std::function<void()> task) { boost::asio::post(impl_->context, std::move(task)); }

EventLoop::TimerId EventLoop::run_after(Duration delay, std::function<void()> task) {
  const TimerId id = impl_->next_timer++;
  const auto due = std::chrono::steady_clock::now() + std::clamp(delay, Duration(0), kDelayMax);
  boost::asio::dispatch(impl_->context, [impl = impl_.get(), id, due, task = std::move(task)]() mutable {
    auto& timer = impl->timers[id];
    timer = std::make_unique<boost::asio::steady_timer>(impl->context, due);
    timer->async_wait([impl, id, task = std::move(task)](const boost::system::error_code&) {
      // Cancelled, perhaps after it was already on its way here: then it is not in the table any more.
      if (impl->timers.erase(id) == 1) task();
    });
  });
  return id;
}

void EventLoop::cancel(TimerId timer) {
  boost::asio::dispatch(impl_->context, [impl = impl_.get(), timer] { impl->timers.erase(timer); });
}

// What is there is read away; the caller looks for itself.
void EventLoop::Impl::read_watch(Watched& one) {
  one.descriptor.async_wait(boost::asio::posix::descriptor_base::wait_read,
                            [this, &one](const boost::system::error_code& failure) {
                              char events[4096];
                              bool any = false;
                              while (!failure && ::read(one.descriptor.native_handle(), events, sizeof events) > 0)
                                any = true;
                              if (!any) return;  // the directory is gone, or the loop ends
                              one.task();
                              read_watch(one);
                            });
}

Status EventLoop::watch_directory(const std::string& path, std::function<void()> task) {
  Descriptor fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!fd || ::inotify_add_watch(fd.get(), path.c_str(), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
    return posix_error(errno, "cannot watch " + path);
  auto& watched = impl_->watched.emplace_back(impl_->context, std::move(task));
  watched.descriptor.assign(fd.release());
  impl_->read_watch(watched);
  return {};
}

void EventLoop::on_termination(std::function<void()> task) {
  BELAY_ASSERT(!impl_->signals);
  impl_->signals.emplace(impl_->context, SIGTERM, SIGINT);
  impl_->signals->async_wait(
      [impl = impl_.get(), task = std::move(task)](const boost::system::error_code& failure, int) {
        if (failure) return;
        boost::system::error_code ignored;
        impl->signals->clear(ignored);  // who insists a second time gets what the system does by itself
        task();
      });
}

}  // namespace belay::io
