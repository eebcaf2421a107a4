#include "agent/backup/engines.hpp"

#include "agent/backup/tools.hpp"

namespace belay::agent {
namespace backups {
namespace {

// An engine that this agent does not have.
class NotHere final : public BackupEngine {
 public:
  explicit NotHere(backup::EngineName engine) : engine_(engine) {}
  backup::EngineName name() const override { return engine_; }
  backup::JobReport check(const backup::Job&, const Secrets&) override { return no(backup::Task::check); }
  backup::JobReport back_up(const backup::Job&, const Secrets&) override { return no(backup::Task::backup); }
  backup::JobReport copy(const backup::Job&, const Secrets&) override { return no(backup::Task::copy); }
  backup::JobReport prove(const backup::Job&, const Secrets&) override { return no(backup::Task::prove); }
  backup::JobReport restore(const backup::Job&, const Secrets&) override { return no(backup::Task::restore); }
  backup::JobReport forget(const backup::Job&, const Secrets&) override { return no(backup::Task::forget); }
  backup::JobReport list(const backup::Job&, const Secrets&) override { return no(backup::Task::list); }
  backup::WatchReport watch(const backup::Watch& watch) override {
    backup::WatchReport report;
    report.plan_id = watch.plan_id;
    return report;
  }

 private:
  backup::JobReport no(backup::Task task) const {
    return failed(task, Error(Code::unsupported,
                              "this agent has no engine " + std::string(backup::text_of(engine_)) +
                                  "; use another one, or upgrade the agent",
                              "no-engine"));
  }
  backup::EngineName engine_;
};

std::unique_ptr<BackupEngine> not_here(backup::EngineName engine) { return std::make_unique<NotHere>(engine); }

}  // namespace
}  // namespace backups

std::unique_ptr<BackupEngine> make_engine(const BackupHost& host, backup::EngineName engine) {
  using backup::EngineName;
  using namespace backups;
  switch (engine) {
    case EngineName::pgbackrest: return make_pgbackrest(host);

    case EngineName::pg_dump: return make_pg_dump(host);

    case EngineName::mariadb_backup: return make_mariadb_backup(host);

    case EngineName::mysqldump: return make_mysqldump(host);

    case EngineName::restic: return make_restic(host);

    case EngineName::borg: return make_borg(host);

    case EngineName::sqlite: return make_sqlite(host);

    case EngineName::snapshot: return make_snapshot_engine(host);

    case EngineName::command: return make_command_engine(host);
  }
  return not_here(engine);
}

backup::JobReport do_job(const BackupHost& host, const backup::Job& job, const Secrets& secrets) {
  const auto engine = make_engine(host, job.source.engine);
  return backups::do_job_with(host, *engine, job, secrets);
}

}  // namespace belay::agent
