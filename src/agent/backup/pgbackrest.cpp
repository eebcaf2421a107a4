#include "agent/backup/pgbackrest.hpp"

#include "agent/backup/pg_watch.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobReport;
using backup::Task;

class PgBackRest final : public BackupEngine {
 public:
  PgBackRest(const BackupHost& host, PgBackRestPlaces places) : host_(host), places_(std::move(places)) {}

  backup::EngineName name() const override { return backup::EngineName::pgbackrest; }
  JobReport check(const Job& job, const Secrets& secrets) override {
    return done(Task::check, pgbackrest::check, job, secrets);
  }
  JobReport back_up(const Job& job, const Secrets& secrets) override {
    return done(Task::backup, pgbackrest::back_up, job, secrets);
  }
  JobReport copy(const Job& job, const Secrets& secrets) override {
    return done(Task::copy, pgbackrest::copy, job, secrets);
  }
  JobReport prove(const Job& job, const Secrets& secrets) override {
    return done(Task::prove, pgbackrest::prove, job, secrets);
  }
  JobReport restore(const Job& job, const Secrets& secrets) override {
    return done(Task::restore, pgbackrest::restore, job, secrets);
  }
  JobReport forget(const Job& job, const Secrets& secrets) override {
    return done(Task::forget, pgbackrest::forget, job, secrets);
  }
  JobReport list(const Job& job, const Secrets& secrets) override {
    return done(Task::list, pgbackrest::list, job, secrets);
  }
  backup::WatchReport watch(const backup::Watch& watch) override {
    auto report = begin_watch(host_, watch);
    const WatchedHost host(host_, watch);
    pgbackrest::watch(host.host(), places_, host.job(), watch, report);
    return report;
  }

 private:
  using Work = Status (*)(const BackupHost&, const PgBackRestPlaces&, const Job&, const Secrets&, JobReport&);
  JobReport done(Task task, Work work, const Job& job, const Secrets& secrets) {
    JobReport report;
    pgbackrest::remove_left_configs(host_, places_);
    const auto status = work(host_, places_, job, secrets, report);
    conclude(report, task, status);
    return report;
  }

  const BackupHost& host_;
  PgBackRestPlaces places_;
};

}  // namespace

std::unique_ptr<BackupEngine> make_pgbackrest_at(const BackupHost& host, PgBackRestPlaces places) {
  return std::make_unique<PgBackRest>(host, std::move(places));
}

std::unique_ptr<BackupEngine> make_pgbackrest(const BackupHost& host) { return make_pgbackrest_at(host, {}); }

}  // namespace belay::agent::backups
