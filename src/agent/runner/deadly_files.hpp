#pragma once
// For kill tests of real processes.
#include <signal.h>
#include <unistd.h>

#include "io/files.hpp"

namespace belay::agent {

// The real disk; the n-th change kills the process, before or after it.
class DeadlyFiles final : public io::Files {
 public:
  DeadlyFiles(int deadly_change, bool after) : deadly_change_(deadly_change), after_(after) {}

  Result<std::string> read(const std::string& p, std::size_t max) const override { return real_.read(p, max); }
  Status write_durable(const std::string& p, std::string_view c, std::uint32_t m) override {
    return change([&] { return real_.write_durable(p, c, m); });
  }
  Status append_durable(const std::string& p, std::string_view c, std::uint32_t m) override {
    return change([&] { return real_.append_durable(p, c, m); });
  }
  Status rename_durable(const std::string& a, const std::string& b) override {
    return change([&] { return real_.rename_durable(a, b); });
  }
  Status exchange_durable(const std::string& a, const std::string& b) override {
    return change([&] { return real_.exchange_durable(a, b); });
  }
  Status remove(const std::string& p) override {
    return change([&] { return real_.remove(p); });
  }
  Status remove_tree(const std::string& p) override {
    return change([&] { return real_.remove_tree(p); });
  }
  Status make_directories(const std::string& p, std::uint32_t m) override {
    return change([&] { return real_.make_directories(p, m); });
  }
  Result<std::vector<std::string>> list(const std::string& p) const override { return real_.list(p); }
  Result<io::FileInfo> info(const std::string& p) const override { return real_.info(p); }
  Result<std::string> read_link(const std::string& p) const override { return real_.read_link(p); }
  Result<io::Space> space(const std::string&) const override { return io::Space{100ull << 30, 50ull << 30, 1'000'000}; }

 private:
  template <typename Change>
  Status change(Change perform) {
    const bool deadly = ++changes_ == deadly_change_;
    if (deadly && !after_) ::kill(::getpid(), SIGKILL);
    auto done = perform();
    if (deadly) ::kill(::getpid(), SIGKILL);
    return done;
  }
  io::Files& real_ = io::real_files();
  int deadly_change_;
  bool after_;
  int changes_ = 0;
};

}  // namespace belay::agent
