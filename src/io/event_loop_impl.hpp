#pragma once
// What an EventLoop is made of. Only for io's own sources.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "io/deadline_wheel.hpp"
#include "io/event_loop.hpp"

namespace belay::io {

// The way into a loop for those who may outlive it (a responder in a worker, a socket held by a session).
class LoopPort {
 public:
  explicit LoopPort(boost::asio::io_context& context) : context_(&context) {}
  // False where the loop is gone; the task is dropped then.
  bool post(std::function<void()> task);
  bool is_loop_thread() const { return thread_.load() == std::this_thread::get_id(); }

 private:
  friend struct EventLoop::Impl;
  friend class EventLoop;
  std::mutex mutex_;
  boost::asio::io_context* context_;
  std::atomic<std::thread::id> thread_{};
};

struct EventLoop::Impl {
  Impl();
  ~Impl();
  struct Watched;
  void read_watch(Watched& one);

  DeadlineWheel wheel;  // first: connections that wait in `context` leave it when they are destroyed
  boost::asio::io_context context{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard;
  std::shared_ptr<LoopPort> port;
  boost::asio::steady_timer wheel_timer{context};
  std::atomic<TimerId> next_timer{1};
  std::unordered_map<TimerId, std::unique_ptr<boost::asio::steady_timer>> timers;
  std::optional<boost::asio::signal_set> signals;
  struct Watched {
    Watched(boost::asio::io_context& context, std::function<void()> what)
        : descriptor(context), task(std::move(what)) {}
    boost::asio::posix::stream_descriptor descriptor;  // of inotify
    std::function<void()> task;
  };
  std::list<Watched> watched;  // each stays where it is
  // Called when the loop is destroyed, by those whose owners may keep them for longer. They erase themselves.
  std::unordered_map<void*, std::function<void()>> at_end;

 private:
  void arm_wheel(Duration at);
};

}  // namespace belay::io
