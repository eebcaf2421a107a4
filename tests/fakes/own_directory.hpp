#pragma once
// A directory for one test alone. It goes with the object, and what is mounted below goes first. It lies in memory
// where there is room, for what is tried in it waits for the disk more than for anything else. What a test that was
// killed or aborted left behind is removed by the next that wants a directory of the same name.
#include <string>

namespace belay::fakes {

class OwnDirectory {
 public:
  explicit OwnDirectory(const std::string& name, unsigned mode = 0700);
  ~OwnDirectory();
  OwnDirectory(const OwnDirectory&) = delete;
  OwnDirectory& operator=(const OwnDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int held_ = -1;  // locked as long as somebody uses it
};

}  // namespace belay::fakes
