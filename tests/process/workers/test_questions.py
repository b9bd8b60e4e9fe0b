"""What a worker was asked: each question is answered, or given up."""

from sozutw.control.proto import command_pb2 as pb
from sozutw.control.proto import worker_pb2 as words
from sozutw.control.replies import ok
from sozutw.process.workers.questions import LOOKS_MAX, Questions


def hear(deferred):
    heard = []
    deferred.addCallback(heard.append)
    return heard


def test_an_answer_finds_who_asked():
    questions = Questions()
    (first, one), (second, other) = questions.ask(), questions.ask()
    one, other = hear(one), hear(other)
    assert first != second
    questions.answered(words.Answer(id=second, response=ok("2")))
    assert not one
    assert [answer.message for answer in other] == ["2"]


def test_counters_come_in_pieces():
    questions = Questions()
    number, counted = questions.count()
    heard = hear(counted)
    for piece in (b"a", b"b"):
        questions.told(words.Counters(id=number, piece=piece))
    assert not heard
    questions.told(words.Counters(id=number, piece=b""))
    assert heard == [[b"a", b"b"]]


def test_an_answer_to_nothing_and_of_the_wrong_kind_is_passed_over():
    questions = Questions()
    number, counted = questions.count()
    other, answered = questions.ask()
    counts, answers = hear(counted), hear(answered)
    questions.answered(words.Answer(id=99, response=ok("")))
    questions.answered(words.Answer(id=number, response=ok("")))
    questions.told(words.Counters(id=99, piece=b""))
    questions.told(words.Counters(id=other, piece=b""))
    assert not counts
    assert not answers


def test_all_are_given_up_with_a_reason():
    questions = Questions()
    answers, counts = hear(questions.ask()[1]), hear(questions.count()[1])
    questions.give_up("it has gone")
    assert [(one.status, one.message) for one in answers] == [(pb.FAILURE, "it has gone")]
    assert counts == [[]]
    questions.answered(words.Answer(id=1, response=ok("late")))
    questions.told(words.Counters(id=2, piece=b""))
    assert len(answers) == len(counts) == 1


def test_what_is_asked_when_others_are_given_up_stays():
    questions = Questions()
    later = []
    questions.ask()[1].addCallback(lambda _: later.append(hear(questions.ask()[1])))
    questions.give_up("")
    assert later == [[]]


def test_a_question_is_not_waited_for_without_end():
    questions = Questions()
    answers = hear(questions.ask()[1])
    for _ in range(LOOKS_MAX):
        questions.looked()
    assert not answers
    questions.looked()
    assert answers[0].message == f"it has not answered in {LOOKS_MAX} s"


def test_a_piece_of_the_counters_gives_it_time_for_the_next():
    questions = Questions()
    number, counted = questions.count()
    heard = hear(counted)
    for _ in range(3):
        for _ in range(LOOKS_MAX):
            questions.looked()
        questions.told(words.Counters(id=number, piece=b"x"))
    assert not heard
    for _ in range(LOOKS_MAX + 1):
        questions.looked()
    assert heard == [[]]


def test_who_is_given_up_by_age_may_give_up_all():
    questions = Questions()
    questions.ask()[1].addCallback(lambda _: questions.give_up("it has gone"))
    other = hear(questions.ask()[1])
    for _ in range(LOOKS_MAX + 1):
        questions.looked()
    assert [one.message for one in other] == ["it has gone"]
