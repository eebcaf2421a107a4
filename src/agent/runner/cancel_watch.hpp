#pragma once
// Passes an order's cancel file on to the process that is at work for it.
#include <atomic>
#include <string>
#include <thread>

#include "base/time.hpp"
#include "io/files.hpp"

namespace belay::agent {

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
  static constexpr Duration kCancelPoll{200};
  std::atomic<bool> cancelled_ = false;
  std::jthread thread_;
};

}  // namespace belay::agent
