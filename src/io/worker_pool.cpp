#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/event_loop.hpp"

namespace belay::io {

struct WorkerPool::Impl {
  explicit Impl(std::size_t queue_limit) : queue_max(queue_limit) {}

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      auto task = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds may take locks of its own when it goes
      lock.lock();
    }
  }

  const std::size_t queue_max;
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  std::vector<std::thread> threads;
};

WorkerPool::WorkerPool(std::size_t threads, std::size_t queue_max) : impl_(std::make_unique<Impl>(queue_max)) {
  BELAY_ASSERT(threads > 0);
  for (std::size_t i = 0; i < threads; ++i) impl_->threads.emplace_back([impl = impl_.get()] { impl->work(); });
}

WorkerPool::~WorkerPool() {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->changed.notify_all();
  for (auto& thread : impl_->threads) thread.join();
}

bool WorkerPool::submit(std::function<void()> task) {
  {
    const std::scoped_lock lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->queue_max) return false;
    impl_->queue.push_back(std::move(task));
  }
  impl_->changed.notify_one();
  return true;
}

}  // namespace belay::io
