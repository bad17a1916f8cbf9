import { expect, test } from 'vitest';
import { toldAgain } from './told-again.ts';

const entered = (visit: string, type = 'Task'): string => `${visit}/1/${type}StateEntered`;
const exited = (visit: string, type = 'Task'): string => `${visit}/1/${type}StateExited`;

test('an iteration that is made again is told again, those that succeeded are not', () => {
  const map = (type: string): string => `Net#1/1/${type}`;
  const free = [
    map('MapIterationStarted/1'),
    map('MapIterationFailed/1'),
    map('MapIterationStarted/2'),
    map('MapIterationAborted/2'),
    map('MapStateFailed'),
    entered('Net[1]/Make#1'),
    'Net[1]/Make#1/1/TaskFailed',
    entered('Net[2]/Make#1'),
    'Net[2]/Make#1/1/TaskScheduled',
  ];
  const kept = [
    map('MapStateEntered'),
    map('MapStateStarted'),
    map('MapIterationStarted/0'),
    map('MapIterationSucceeded/0'),
    map('MapIterationStarted/11'),
    map('MapIterationSucceeded/11'),
    entered('Net[0]/Make#1'),
    exited('Net[0]/Make#1'),
  ];
  expect(toldAgain([...kept, ...free], 'Net[1]/Make#1').toSorted()).toEqual(free.toSorted());
});

test('a Parallel or Map at every level above tells of its end again', () => {
  const kept = [entered('Out#1', 'Parallel'), entered('Out.0/In#2', 'Map'), 'Out.0/In#2/1/MapIterationStarted/0'];
  const free = [
    entered('Out.0/In[7]/Make#2.1'),
    'Out.0/In#2/1/MapIterationStarted/7',
    'Out.0/In#2/1/MapIterationFailed/7',
    'Out.0/In#2/1/MapStateFailed',
    'Out#1/1/ParallelStateFailed',
  ];
  expect(toldAgain([...kept, ...free], 'Out.0/In[7]/Make#2.1').toSorted()).toEqual(free.toSorted());
});

test('an earlier visit of the same Map, which ended, is not told again', () => {
  const before = [
    entered('Net#1', 'Map'),
    'Net#1/1/MapIterationFailed/0',
    'Net#1/1/MapStateFailed',
    exited('Net#1', 'Map'),
  ];
  const now = [entered('Net#2', 'Map'), 'Net#2/1/MapIterationFailed/0', 'Net#2/1/MapStateFailed'];
  expect(toldAgain([...before, ...now], 'Net[0]/Make#2.1')).toEqual(now.slice(1));
});

test('what failed beside it is told again, a failure that was caught is not', () => {
  const beside = [entered('Par.1/Other#1'), 'Par.1/Other#1/1/TaskFailed'];
  const caught = [entered('Ask#1'), 'Ask#1/1/TaskFailed', exited('Ask#1')];
  const failed = [entered('Par.0/Make#1'), 'Par.0/Make#1/1/TaskFailed'];
  expect(toldAgain([...beside, ...caught, ...failed], 'Par.0/Make#1')).toEqual([...beside, ...failed]);
});

test('of what was stopped while a state ran, that state is told again; keys of code are not its business', () => {
  const open = [entered('Make#1'), 'Make#1/1/TaskScheduled', 'Make#1/2/TaskScheduled'];
  expect(toldAgain(['step/17/started', entered('First#1'), exited('First#1'), ...open], '')).toEqual(open);
});
