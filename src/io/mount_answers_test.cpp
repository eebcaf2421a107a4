#include "io/mount_answers.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace belay::io {
namespace {

TEST(MountAnswers, WhatIsThereAnswersAndWhatIsNotRefuses) {
  const auto answers = ask_mounts({"/", "/nowhere/at/all", "/tmp"}, Duration(60'000));
  EXPECT_EQ(answers, (std::vector{MountAnswer::answers, MountAnswer::refuses, MountAnswer::answers}));
  EXPECT_TRUE(ask_mounts({}, Duration(60'000)).empty());
}

// A file system in user space whose server never answers: as a NAS that went away.
class DeadServer {
 public:
  DeadServer() {
    if (!::mkdtemp(place_.data())) std::abort();
    device_ = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    const auto options = "fd=" + std::to_string(device_) + ",rootmode=40000,user_id=0,group_id=0";
    is_mounted_ = device_ >= 0 && ::mount("dead", place_.c_str(), "fuse", MS_NOSUID, options.c_str()) == 0;
  }
  ~DeadServer() {
    ::close(device_);  // whoever waits gets an error now
    if (is_mounted_) ::umount2(place_.c_str(), MNT_DETACH);
    ::rmdir(place_.c_str());
  }
  DeadServer(const DeadServer&) = delete;
  DeadServer& operator=(const DeadServer&) = delete;
  bool is_mounted() const { return is_mounted_; }
  const std::string& place() const { return place_; }

 private:
  std::string place_ = "/tmp/belay-dead-XXXXXX";
  int device_ = -1;
  bool is_mounted_ = false;
};

bool has_children() {
  siginfo_t ended{};
  return ::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0;
}

TEST(MountAnswers, AHangingMountHoldsNobodyUp) {
  {
    const DeadServer dead;
    if (!dead.is_mounted()) GTEST_SKIP() << "no FUSE mounts here (root and /dev/fuse are needed)";
    for (int twice = 0; twice < 2; ++twice) {
      const auto answers = ask_mounts({"/", dead.place()}, Duration(200));
      EXPECT_EQ(answers.at(1), MountAnswer::hangs);
    }
    EXPECT_TRUE(has_children());
  }
  // The mount is gone, and nobody asks for it again: its child stays no zombie all the same.
  for (int i = 0; i < 6'000 && has_children(); ++i) {
    ask_mounts({}, Duration(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_FALSE(has_children());
}

}  // namespace
}  // namespace belay::io
