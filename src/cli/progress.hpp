#pragma once
// Follows what takes time until it has ended, saying what changes.
#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "cli/context.hpp"

namespace belay::cli {

inline constexpr std::chrono::milliseconds kPollEvery{500};

// On standard error: each thing's change once, and on a terminal a live line of the sums below.
class Progress {
 public:
  Progress();
  // `label` is what is shown of `id`; nothing is said where it is as it was.
  void say(const std::string& id, const std::string& label, const std::string& state);
  // "2 Committed, 1 Verifying"; only on a terminal.
  void draw(const std::map<std::string, int>& sums);
  void clear();

 private:
  std::map<std::string, std::string> seen_;
  const bool live_;
  bool drawn_ = false;
};

// Of a command as SSM says it: it has ended.
bool is_final_status(std::string_view status);

// The exit status: 0 where every node succeeded, kExitNonCompliant where one did not.
Result<int> follow_command(Context& context, const std::string& command_id);

// Sends the request (a SendCommand body), says its id, and follows it where `wait` is set.
Result<int> send_command(Context& context, const json::Object& request, bool wait);

}  // namespace belay::cli
