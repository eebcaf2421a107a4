#include "core/backup/put_back.hpp"

#include <gmock/gmock.h>

#include "core/backup/point_fixture_test.hpp"

namespace belay::backup {
namespace {
using testing::HasSubstr;

const Instant kMoment = at("2026-11-22T13:00:00Z"), kNow = at("2026-11-22T13:10:00Z");
const auto kOld = point_of("rp-O", "2026-11-20T02:10:00Z");
const auto kFull = point_of("rp-F", "2026-11-22T02:10:00Z");
const auto kLate = point_of("rp-L", "2026-11-22T13:05:00Z", {"rp-F"});  // holds what the change did
const auto kCopy = in_vault(point_of("rp-C", "2026-11-22T02:10:00Z"), "s3");

Known of_engine(Known known, EngineName engine) {
  known.plan.source.engine = engine;
  return known;
}
Known with_gap(Known known, std::string_view from, std::string_view until) {
  known.watch = logs_to("2026-11-22T12:59:00Z");
  known.watch->findings = {{"log-gap", "3 segments"}};
  if (!from.empty()) known.watch->log_gaps = {{at(from), at(until)}};
  return known;
}
Known without_logs(Known known) {
  known.plan.source.logs = false;
  return known;
}

struct Row {
  const char* fact;
  Known known;
  std::string point;  // "" none
  bool to_the_moment;
  const char* says;  // of remark or why_not
};

TEST(PutBackTo, TheNewestPointBeforeTheMomentAndLogsWhereTheyLeadOn) {
  const Row rows[] = {
      {"logs lead on", known_of({kLate, kFull, kOld}), "rp-F", true, ""},
      {"of a point and its copy the near one", known_of({kCopy, kFull}), "rp-F", true, ""},
      {"MariaDB's binary logs do, too", of_engine(known_of({kFull}), EngineName::mariadb_backup), "rp-F", true, ""},
      {"a dump is loaded as it is", of_engine(known_of({kFull}), EngineName::mysqldump), "rp-F", false, "alone"},
      {"so are those of PostgreSQL", of_engine(known_of({kFull}), EngineName::pg_dump), "rp-F", false, "alone"},
      {"SQLite has no logs", of_engine(known_of({kFull}), EngineName::sqlite), "rp-F", false, "alone"},
      {"a plan without logs", without_logs(known_of({kFull})), "rp-F", false, "keeps no logs"},
      {"a copy alone", known_of({kCopy}), "rp-C", false, "copies"},
      {"logs with a gap after the point", with_gap(known_of({kFull}), "2026-11-22T03:00:00Z", "2026-11-22T04:00:00Z"),
       "rp-F", false, "missing"},
      {"a gap before the point hurts nobody",
       with_gap(known_of({kFull}), "2026-11-21T03:00:00Z", "2026-11-21T04:00:00Z"), "rp-F", true, ""},
      {"a gap that nobody can place", with_gap(known_of({kFull}), "", ""), "rp-F", false, "missing"},
      {"a damaged point is passed over", known_of({in_state(kFull, PointState::damaged), kOld}), "rp-O", true, ""},
      {"nor one that is suspect", known_of({in_state(kFull, PointState::suspect)}), "", false, "that counts"},
      {"a broken chain", known_of({point_of("rp-I", "2026-11-22T12:00:00Z", {"rp-X"}), kOld}), "rp-O", true, ""},
      {"only what holds the change", known_of({point_of("rp-N", "2026-11-22T13:05:00Z")}), "", false, "before"},
      {"in the same second", known_of({point_of("rp-S", "2026-11-22T12:59:59Z")}), "", false, "before"},
      {"nothing", known_of({}), "", false, "before"},
      {"files", of_engine(known_of({kFull}), EngineName::restic), "", false, "by a person"},
      {"a program of one's own", of_engine(known_of({kFull}), EngineName::command), "", false, "by a person"},
  };
  for (const auto& row : rows) {
    const auto back = put_back_to(row.known, kMoment, kNow);
    EXPECT_EQ(back.point ? back.point->point_id : "", row.point) << row.fact;
    EXPECT_EQ(back.time == kMoment, row.to_the_moment) << row.fact;
    EXPECT_THAT(back.point ? back.remark : back.why_not, HasSubstr(row.says)) << row.fact;
    EXPECT_EQ(back.point == nullptr, !back.why_not.empty()) << row.fact;
  }
}

}  // namespace
}  // namespace belay::backup
