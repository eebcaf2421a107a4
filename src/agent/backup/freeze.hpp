#pragma once
// File systems frozen, or a database quiesced, while a snapshot is taken: the watchdog that ends it come what may.
#include <string>
#include <vector>

#include "agent/backup/tools.hpp"

namespace belay::agent::backups {

inline constexpr Duration kFrozenMax{60'000};

// A process of its own that thaws after so long, or at once when the process that started it ends. It opened what it
// needs before anything was frozen: afterwards it writes nothing, logs nothing and opens no path but the thawing
// program's own, for whoever touches a frozen file system sleeps until somebody else thaws it, and no signal wakes him.
class FreezeWatchdog {
 public:
  // The file systems of `paths` are thawed by ioctl (those that were not frozen do not mind), then `thaw` runs.
  static Result<FreezeWatchdog> start(const BackupHost& host, const std::vector<std::string>& paths,
                                      const backup::Hook& thaw, Duration patience = kFrozenMax);
  ~FreezeWatchdog();  // one that was not dismissed thaws now
  FreezeWatchdog(FreezeWatchdog&& other) noexcept;
  FreezeWatchdog& operator=(FreezeWatchdog&&) = delete;
  // Everything is thawed already. False: the watchdog came first, so the freeze ended earlier than was asked for.
  bool dismiss();

 private:
  FreezeWatchdog(int process, int orders, int says) : process_(process), orders_(orders), says_(says) {}
  void let_go();
  int process_ = -1, orders_ = -1, says_ = -1;
};

}  // namespace belay::agent::backups
