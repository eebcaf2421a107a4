#pragma once
// One thread that runs everything in turn. What blocks (processes, the store) goes to a WorkerPool.
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::io {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;

  // Returns after stop(): what runs then ends first, what was only posted is dropped with the loop. For an orderly end
  // drain the servers, and stop when they say so.
  void run();
  void stop();                            // from any thread or a signal callback
  void post(std::function<void()> task);  // from any thread; runs on the loop
  // Runs once, later. Cancelling after it ran does nothing. From any thread.
  using TimerId = std::uint64_t;
  TimerId run_after(Duration delay, std::function<void()> task);
  void cancel(TimerId timer);
  // Called on the loop, some time after something was made in the directory or moved into it; several at once count as
  // one. Costs nothing while nothing happens. Not for ever: no more where the directory itself goes.
  Status watch_directory(const std::string& path, std::function<void()> task);
  // SIGTERM and SIGINT, instead of dying; a second one kills as usual. At most once a process.
  void on_termination(std::function<void()> task);

  struct Impl;  // for io's own sources
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Threads for blocking work, with a bounded queue.
class WorkerPool {
 public:
  WorkerPool(std::size_t threads, std::size_t queue_max);
  ~WorkerPool();  // waits for what was accepted
  WorkerPool(const WorkerPool&) = delete;
  // False where the queue is full: the caller says so to its client.
  [[nodiscard]] bool submit(std::function<void()> task);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace belay::io
