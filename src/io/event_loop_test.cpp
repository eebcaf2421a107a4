#include "io/event_loop.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "io/deadline_wheel.hpp"

namespace belay::io {
namespace {

TEST(EventLoop, RunsTasksInTurnAndTimersInOrder) {
  EventLoop loop;
  std::string order;
  loop.run_after(Duration(40), [&] {
    order += "3";
    loop.stop();
  });
  loop.run_after(Duration(1), [&] { order += "2"; });
  const auto cancelled = loop.run_after(Duration(5), [&] { order += "never"; });
  loop.post([&] {
    order += "1";
    loop.cancel(cancelled);
  });
  loop.run();
  EXPECT_EQ(order, "123");
  loop.cancel(cancelled);
  loop.cancel(12'345);
}

TEST(EventLoop, TakesTasksAndTimersFromAnyThread) {
  EventLoop loop;
  std::atomic<int> ran{0};
  std::thread runner([&] { loop.run(); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        loop.post([&] { ++ran; });
        const auto timer = loop.run_after(Duration(i % 3), [&] { ++ran; });
        if (i % 2) loop.cancel(timer);
      }
    });
  for (auto& thread : threads) thread.join();
  while (ran < 4 * 750) std::this_thread::yield();
  loop.stop();
  runner.join();
  EXPECT_GE(ran, 4 * 750);  // a cancel may come too late
  EXPECT_LE(ran, 4 * 1000);
}

TEST(EventLoop, ADelayBeyondAllTimeDoesNotFire) {
  EventLoop loop;
  bool fired = false;
  loop.run_after(Duration::max(), [&] { fired = true; });
  loop.run_after(Duration(-5), [&] { loop.stop(); });
  loop.run();
  EXPECT_FALSE(fired);
}

TEST(EventLoop, TerminationIsATask) {
  EventLoop loop;
  bool asked = false;
  loop.on_termination([&] {
    asked = true;
    loop.stop();
  });
  loop.post([] { ::raise(SIGTERM); });
  loop.run();
  EXPECT_TRUE(asked);
}

TEST(WorkerPool, RunsWhatItAcceptedAndSaysWhenItIsFull) {
  std::atomic<int> ran{0};
  std::promise<void> release;
  const auto released = release.get_future().share();
  int accepted = 0;
  {
    WorkerPool pool(2, 3);
    for (int i = 0; i < 100; ++i)
      accepted += pool.submit([&] {
        released.wait();
        ++ran;
      });
    EXPECT_GE(accepted, 3);
    EXPECT_LE(accepted, 5);  // two at work, three waiting
    release.set_value();
  }
  EXPECT_EQ(ran, accepted);
}

// --- the wheel, on a clock moved by hand ---

struct Alarm final : DeadlineWheel::Entry {
  Alarm(DeadlineWheel& wheel, std::function<void()> task) : Entry(wheel), task_(std::move(task)) {}
  void on_deadline() override { task_(); }
  std::function<void()> task_;
};

struct Bench {
  Duration now{1'000'000};
  Duration armed{-1};
  DeadlineWheel wheel{[this] { return now; }, [this](Duration at) { armed = at; }};

  void advance(Duration step) {
    const Duration end = now + step;
    while (armed.count() >= 0 && armed <= end) {
      now = std::max(now, armed);
      armed = Duration(-1);
      wheel.fire();
    }
    now = end;
  }
};

TEST(DeadlineWheel, FiresNeverEarlyAndSoonAfter) {
  Bench bench;
  constexpr unsigned kSeed = 20'261'123;
  std::mt19937 random(kSeed);
  std::map<int, Duration> due, fired;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 500; ++i) {
    alarms.push_back(std::make_unique<Alarm>(bench.wheel, [&, i] { fired[i] = bench.now; }));
    const Duration delay(std::uniform_int_distribution<int>(0, 200'000)(random));  // several turns of the wheel
    alarms.back()->set_deadline(delay);
    due[i] = bench.now + delay;
    if (i % 5 == 0) {  // later
      alarms.back()->set_deadline(delay + Duration(70'000));
      due[i] = bench.now + delay + Duration(70'000);
    }
    if (i % 7 == 0) {  // earlier
      alarms.back()->set_deadline(delay / 2);
      due[i] = bench.now + delay / 2;
    }
    if (i % 11 == 0) {
      alarms.back()->clear_deadline();
      due.erase(i);
    }
    bench.advance(Duration(std::uniform_int_distribution<int>(0, 300)(random)));
  }
  bench.advance(Duration(400'000));
  EXPECT_EQ(fired.size(), due.size()) << "seed " << kSeed;
  for (const auto& [i, at] : due) {
    ASSERT_TRUE(fired.contains(i)) << i << " seed " << kSeed;
    EXPECT_GE(fired[i], at) << i;
    EXPECT_LE(fired[i], at + Duration(100)) << i;
  }
  EXPECT_LT(bench.armed.count(), 0) << "an empty wheel sleeps";
}

TEST(DeadlineWheel, AnAlarmMayDestroyOthersAndSetItselfAgain) {
  Bench bench;
  std::vector<std::unique_ptr<Alarm>> alarms(3);
  int rings = 0;
  for (std::size_t i = 0; i < alarms.size(); ++i) {
    alarms[i] = std::make_unique<Alarm>(bench.wheel, [&, i] {
      ++rings;
      for (std::size_t j = 0; j < alarms.size(); ++j)
        if (j != i) alarms[j].reset();
      if (rings < 3) alarms[i]->set_deadline(Duration(10));
    });
    alarms[i]->set_deadline(Duration(10));
  }
  bench.advance(Duration(10'000));
  EXPECT_EQ(rings, 3);
}

TEST(DeadlineWheel, CatchesUpAfterALongSleep) {
  Bench bench;
  int rings = 0;
  Alarm soon(bench.wheel, [&] { ++rings; }), later(bench.wheel, [&] { ++rings; }),
      much_later(bench.wheel, [&] { ++rings; });
  soon.set_deadline(Duration(100));
  later.set_deadline(Duration(50'000));
  much_later.set_deadline(Duration(3'600'000));
  bench.now += Duration(1'000'000);  // the machine was suspended
  bench.wheel.fire();
  EXPECT_EQ(rings, 2);
  bench.advance(Duration(3'000'000));
  EXPECT_EQ(rings, 3);
}

TEST(EventLoop, TellsWhatIsMadeInADirectory) {
  const auto directory = std::filesystem::temp_directory_path() / ("belay-watch-" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  EventLoop loop;
  EXPECT_EQ(loop.watch_directory(directory.string() + "/none", [] {}).error().code(), Code::not_found);
  const auto other = directory / "other";
  std::filesystem::create_directory(other);
  int told = 0, told_of_other = 0;
  ASSERT_TRUE(loop.watch_directory(other.string(), [&] { ++told_of_other; }).ok());
  ASSERT_TRUE(loop.watch_directory(directory.string(),
                                   [&] {
                                     if (++told == 1) std::filesystem::create_directory(directory / "second");
                                     else loop.stop();
                                   })
                  .ok());
  loop.post([&] { std::filesystem::create_directory(directory / "first"); });
  loop.run_after(Duration(20'000), [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(told, 2);
  EXPECT_EQ(told_of_other, 0);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace belay::io
