#include <signal.h>

#include <charconv>

#include "base/text.hpp"
#include "io/child.hpp"
#include "io/files.hpp"

namespace belay::io {
namespace {

struct ProcessStat {
  char state = '?';
  pid_t group = 0;
};

// "17 (any name, even ") (") S ppid pgrp …": only what follows the last parenthesis can be trusted.
ProcessStat parse_stat(std::string_view text) {
  ProcessStat stat;
  const auto end = text.rfind(") ");
  if (end == std::string_view::npos) return stat;
  const auto fields = split(text.substr(end + 2), ' ');
  if (fields.size() < 3 || fields[0].empty()) return stat;
  stat.state = fields[0].front();
  std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), stat.group);
  return stat;
}

}  // namespace

bool group_is_alive(pid_t group) {
  if (::kill(-group, 0) != 0) return false;
  const auto names = real_files().list("/proc");
  if (!names.ok()) return false;
  for (const auto& name : *names) {
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto text = real_files().read("/proc/" + name + "/stat", 4096);
    if (!text.ok()) continue;  // gone meanwhile
    const auto stat = parse_stat(*text);
    if (stat.group == group && stat.state != 'Z' && stat.state != 'X') return true;
  }
  return false;
}

}  // namespace belay::io
