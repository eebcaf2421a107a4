#pragma once
// What a restore stops and puts aside, on disk from before its first change until all is done or undone: whoever comes
// after a kill, a person or the next restore of the plan, finds it there. The file is STATE/restore-PLAN_ID, lines for
// a person; the runner shows them where a restore was cut off.
#include "agent/backup/backup_engine.hpp"

namespace belay::agent::backups {

struct RestoreNote {
  std::string unit;                  // the service that was stopped for it; "" none
  std::vector<std::string> sockets;  // that were stopped with it
  std::vector<std::string> said;     // "/srv/a is put aside as /srv/a.before-…", a line each
};
// One for each plan: its restores follow each other.
Status write_restore_note(const BackupHost& host, const backup::Job& job, const RestoreNote& note);
RestoreNote read_restore_note(const BackupHost& host, const backup::Job& job);  // empty where there is none
Status remove_restore_note(const BackupHost& host, const backup::Job& job);

}  // namespace belay::agent::backups
